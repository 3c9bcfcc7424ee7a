"""The result of `memory`: what a step holds, by kind, at its peak and over time."""

from __future__ import annotations

from typing import Literal

from ..analysis.results import Input, Model, Tool
from ..choices import DeviceKind, MemoryPrecision, Mode, OptimizerName
from ..results import Record, Result

PhaseName = Literal["forward", "loss", "backward", "optimizer"]


class Held(Record, frozen=True, kw_only=True):
    """Bytes by kind; they sum up to `total`.

    `inputs` are the batch and its targets. `buckets` hold a second copy of gradients that ranks
    exchange: DistributedDataParallel's of all, FSDP's of one unit. `gathered` are parameters that
    FSDP has gathered from all ranks, and the buffers of gathering. `activations` are what the
    forward pass and the loss made and the backward pass needs, or the caller holds; at inference
    all that the forward pass made. `temporaries` are freed before the phase that made them ends,
    or soon after.
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


KINDS = tuple(Held.__struct_fields__)
"""What memory is held for, in the order in which a step makes it."""


class Moment(Record, frozen=True, kw_only=True):
    """What is held while one operator of the step runs, its result included.

    `operator` is its name, `number` counts from 0. `layer` is the path of the call that it runs
    for or whose gradients it computes, None where it belongs to none; `type` is that call's.
    """

    number: int
    operator: str
    phase: PhaseName
    layer: str | None
    type: str | None
    held_bytes: int
    held: Held


class LayerKept(Record, frozen=True):
    """What the calls of one path made in the forward pass and keep for the backward pass."""

    path: str
    type: str
    kept_bytes: int


class BatchFit(Record, frozen=True):
    """Whether the step fits into a device's memory, and the largest batch that does.

    `largest_bytes` is the peak of the largest batch; None where no batch fits.
    """

    device_memory_bytes: int
    fits: bool
    largest_batch: int | None
    largest_bytes: int | None


class Sharded(Record, frozen=True):
    """Over how many ranks FSDP shares a model out, and the modules that it gathers one by one."""

    ranks: int
    units: tuple[str, ...]


class Memory(Result, frozen=True, kw_only=True):
    """What one step of training, or one forward pass, holds on a device.

    `peak` is the moment at which most is held, `phases` the one of each phase. `timeline` has the
    highest moment of each stretch of the step. `operators` counts those of the step. `layers` are
    all that keep something for the backward pass, the most first. `optimizer` and `loss` are None
    at inference. With `accumulate` above one the step is the last of so many batches whose
    gradients are added up, and the update. `ddp`: the step is that of one rank of
    DistributedDataParallel; `fsdp`: of the first rank of FSDP, which holds no less than another.
    `fit` is None where no device memory was given.
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
    layers: tuple[LayerKept, ...]
    fit: BatchFit | None
    notes: tuple[str, ...]
