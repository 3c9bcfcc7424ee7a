"""The result of `memory`: the memory of a step by kind, at its peak and over time."""

from __future__ import annotations

from typing import Literal

from ..analysis.results import Input, Model, Tool
from ..choices import DeviceKind, MemoryPrecision, Mode, OptimizerName
from ..results import Record, Result

PhaseName = Literal["forward", "loss", "backward", "optimizer"]


class BytesByKind(Record, frozen=True, kw_only=True):
    """Bytes by kind; they sum up to `total`.

    `inputs` are the batch and its targets. `buckets` are second copies of gradients that ranks
    exchange: of all gradients with DistributedDataParallel, of one unit with FSDP. `gathered` are
    parameters that FSDP has gathered from all ranks, and its gather buffers. `activations` are
    tensors from the forward pass and the loss that the backward pass or the caller needs; at
    inference, all tensors from the forward pass. `temporaries` are freed by the end of the phase
    that created them, or soon after.
    """

    parameters: int = 0
    buffers: int = 0
    inputs: int = 0
    gradients: int = 0
    buckets: int = 0
    gathered: int = 0
    optimizer_state: int = 0
    activations: int = 0
    temporaries: int = 0

    @property
    def total(self) -> int:
        return sum(getattr(self, kind) for kind in KINDS)


KINDS = tuple(BytesByKind.__struct_fields__)
"""The kinds of memory, in the order in which a step allocates them."""


class Moment(Record, frozen=True, kw_only=True):
    """The memory allocated while one operator of the step runs, including its result.

    `operator` is its name, `number` counts from 0. `layer` is the path of the call to which the
    operator or its gradient belongs, None without one; `type` is the type of that call.
    """

    number: int
    operator: str
    phase: PhaseName
    layer: str | None
    type: str | None
    held_bytes: int
    held: BytesByKind


class LayerActivations(Record, frozen=True):
    """The activations that the calls of one path keep for the backward pass."""

    path: str
    type: str
    kept_bytes: int


class BatchFit(Record, frozen=True):
    """Whether the step fits into a device's memory, and the largest batch that does.

    `largest_bytes` is the peak of the largest batch; None where no batch fits. `device_title` is
    the name of the device, if one was named. `at_least` is true if larger batches may fit, too: the
    search ended at this one.
    """

    device_memory_bytes: int
    fits: bool
    largest_batch: int | None
    largest_bytes: int | None
    device_title: str | None = None
    at_least: bool = False


class Sharded(Record, frozen=True):
    """The number of FSDP ranks, and the modules that are gathered one by one."""

    ranks: int
    units: tuple[str, ...]


class Memory(Result, frozen=True, kw_only=True):
    """The memory of one training step, or of one forward pass, on a device.

    `peak` is the moment of highest use, `phases` that of each phase. `timeline` has the highest
    moment of each section of the step. `operators` is the number of operators in the step. `layers`
    are all that keep activations for the backward pass, largest first. `optimizer` and `loss` are
    None at inference. With `accumulate` above 1 the step is the last of so many accumulated
    batches, and the update. With `ddp` the step is that of one rank of DistributedDataParallel,
    with `fsdp` that of the first rank of FSDP, which needs no less than the others. `fit` is None
    if no device memory was specified.
    """

    kind: Literal["memory"] = "memory"
    tool: Tool
    model: Model
    inputs: tuple[Input, ...]
    batch_size: int | None
    mode: Mode
    training: bool
    optimizer: OptimizerName | None
    loss: str | None
    precision: MemoryPrecision
    device: DeviceKind
    checkpointed: tuple[str, ...]
    accumulate: int
    ddp: bool
    fsdp: Sharded | None
    peak_bytes: int
    peak: Moment
    phases: tuple[Moment, ...]
    timeline: tuple[Moment, ...]
    operators: int
    layers: tuple[LayerActivations, ...]
    fit: BatchFit | None
    notes: tuple[str, ...]
