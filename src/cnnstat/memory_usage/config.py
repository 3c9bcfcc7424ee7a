"""The arguments of `memory`, checked before torch is imported."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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
from ..rooflines.gpus import device_named
from ..rooflines.results import Device
from ..rooflines.target import gpu_here, is_auto, read_device
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
    device_title: str | None = None
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


_LEAST_MEMORY = 2**20
"""Fewer bytes are probably gibibytes."""


class DeviceLimit(NamedTuple):
    """The kind of a device, its memory as the limit of a step, and its name."""

    kind: DeviceKind
    memory: int | None = None
    title: str | None = None


def limit_of(device: str | Path | Device, device_memory: int | str | None) -> DeviceLimit:
    """A kind of device with the given limit, or a known device, whose memory is the limit.

    "auto" is the GPU of this machine, the CPU where torch sees none.

    Raises:
        UsageError: the device is unknown, or the limit is not a quantity.
    """
    limit = limit_bytes(device_memory)
    for kind in DEVICE_KINDS:
        if re.fullmatch(rf"{kind}(:\d+)?", str(device)):  # also as torch.device has it
            return DeviceLimit(kind, limit)
    if is_auto(device):
        gpu = gpu_here()
        if gpu is None:
            return DeviceLimit("cpu", limit)
        return DeviceLimit("cuda", limit or gpu.memory, None if limit else gpu.name)
    found = _known_device(device)
    kind = "cpu" if found.processor == "cpu" else "cuda"
    if limit is not None:
        return DeviceLimit(kind, limit)
    if found.memory_bytes is None:
        raise UsageError(f"the memory of {found.title} is unknown", hint="--device-memory 24GiB")
    return DeviceLimit(kind, found.memory_bytes, found.title)


def _known_device(device: str | Path | Device) -> Device:
    if isinstance(device, Device):
        return device
    name = str(device)
    if name.endswith(".json"):
        return read_device(name)
    return device_named(name, ("auto", *DEVICE_KINDS), hint="--device cuda --device-memory 24GiB")


def limit_bytes(device_memory: int | str | None) -> int | None:
    """Bytes, from a number or a text such as "24GiB".

    Raises:
        UsageError: the text is not a quantity, or the number not positive.
    """
    if not isinstance(device_memory, str):
        if device_memory is not None and not device_memory > 0:
            raise UsageError(f"device_memory={device_memory!r}: a number of bytes is positive",
                             hint='device_memory="24GiB"')  # fmt: skip
        if device_memory is not None and device_memory < _LEAST_MEMORY:
            raise UsageError(f"device_memory={device_memory}: of which unit?",
                             hint=f'device_memory="{device_memory}GiB"')  # fmt: skip
        return device_memory
    if device_memory.strip().isdecimal():
        raise UsageError(f"--device-memory {device_memory.strip()}: of which unit?",
                         hint=f"--device-memory {device_memory.strip()}GiB")  # fmt: skip
    try:
        return parse_quantity(device_memory)
    except ValueError as error:
        raise UsageError(f"--device-memory: {error}", hint="--device-memory 24GiB") from error
