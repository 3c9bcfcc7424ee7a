"""The arguments of `memory`, checked before torch is imported."""

from __future__ import annotations

from dataclasses import dataclass

from ..choices import (
    DEVICE_KINDS,
    MODES,
    OPTIMIZERS,
    DeviceKind,
    MemoryPrecision,
    Mode,
    OptimizerName,
    check_choice,
    precisions_of,
)
from ..errors import UsageError
from ..units import parse_quantity

MOST_RANKS = 65_536
"""The mesh of so many ranks takes torch seconds, and no run is known that had more."""


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """The step to predict, and the device: the arguments of `cnnstat.memory`.

    Raises:
        UsageError: a name is unknown, or two options exclude each other.
    """

    batch_size: int | None = None
    optimizer: OptimizerName = "sgd"
    inference: bool = False
    mode: Mode | None = None
    precision: MemoryPrecision = "fp32"
    device: DeviceKind = "cuda"
    device_memory: int | None = None
    checkpoint: tuple[str, ...] = ()
    ddp: bool = False
    accumulate: int = 1
    fsdp: int | None = None
    fsdp_units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, (None, *MODES))
        check_choice("optimizer", self.optimizer, tuple(OPTIMIZERS))
        check_choice("precision", self.precision, precisions_of("memory"))
        check_choice("device", self.device, DEVICE_KINDS)
        if self.inference:
            self._refuse_training_options()
        if self.accumulate < 1:
            raise UsageError(
                f"a step adds up the gradients of at least one batch, not {self.accumulate}"
            )
        self._check_sharding()
        if self.ddp and self.fsdp:
            raise UsageError("a model is either copied to each rank (--ddp) or sharded (--fsdp)",
                             hint="leave out one of them")  # fmt: skip

    def _refuse_training_options(self) -> None:
        if self.checkpoint:
            raise UsageError("inference keeps no activations: there is nothing to checkpoint")
        if self.ddp:
            raise UsageError("inference has no gradients that ranks could exchange",
                             hint="leave out --ddp or --inference")  # fmt: skip
        if self.accumulate > 1:
            raise UsageError("inference has no gradients to accumulate",
                             hint="leave out --accumulate or --inference")  # fmt: skip

    def _check_sharding(self) -> None:
        if self.fsdp is None:
            if self.fsdp_units:
                raise UsageError("units are FSDP's: over how many ranks?", hint="--fsdp 8")
            return
        if self.fsdp < 2:
            raise UsageError(f"FSDP over {self.fsdp} ranks: it takes two to share",
                             hint="--fsdp 8")  # fmt: skip
        if self.fsdp > MOST_RANKS:
            raise UsageError(f"FSDP over {self.fsdp:,} ranks: at most {MOST_RANKS:,}",
                             hint="--fsdp 8")  # fmt: skip
        if self.precision == "fp16":
            raise UsageError("fp16 with a scaled loss is not followed over the ranks of FSDP",
                             hint="--precision bf16")  # fmt: skip


def limit_bytes(device_memory: int | str | None) -> int | None:
    """Bytes, from a number or a text such as "24GiB".

    Raises:
        UsageError: the text is not a quantity.
    """
    if not isinstance(device_memory, str):
        return device_memory
    if device_memory.strip().isdecimal():
        raise UsageError(f"--device-memory {device_memory.strip()}: of which unit?",
                         hint=f"--device-memory {device_memory.strip()}GiB")  # fmt: skip
    try:
        return parse_quantity(device_memory)
    except ValueError as error:
        raise UsageError(f"--device-memory: {error}", hint="--device-memory 24GiB") from error
