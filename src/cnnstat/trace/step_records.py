"""The record of one step: which storages it held, and from which operator to which.

Time is counted in operators: `0` is the first that the step runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["forward", "loss", "backward", "optimizer"]
HeldKind = Literal[
    "parameters",
    "buffers",
    "inputs",
    "gradients",
    "buckets",
    "gathered",
    "optimizer_state",
    "activations",
    "temporaries",
]


@dataclass(frozen=True, slots=True)
class Storage:
    """Memory that tensors share: `nbytes` as asked for, alive from operator `born` until `freed`.

    `born` is negative for what was there before the step, `freed` None for what is there after it.
    `place` is the index of the place that made it. `on_host`: it lies in the CPU's memory wherever
    the model runs, as the step counters of Adam do.
    """

    nbytes: int
    kind: HeldKind
    born: int
    freed: int | None
    place: int
    on_host: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A call by its path and type; the path is empty for what belongs to no layer."""

    path: str
    type: str


@dataclass(frozen=True, slots=True)
class Operator:
    name: str
    phase: Phase
    place: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step: forward, loss, backward and optimizer, or the forward pass alone.

    `loss` says how the loss was made of the output, None for a forward pass alone. `attention` are
    the forms of it that were taken: flash, efficient or math. `checkpointed` are the paths of the
    modules that run again in the backward pass, `units` of those that FSDP gathers one by one;
    `lower` is the dtype that it gathers in, if it is not that of the shards.
    """

    storages: tuple[Storage, ...]
    operators: tuple[Operator, ...]
    places: tuple[Place, ...]
    loss: str | None
    attention: tuple[str, ...]
    checkpointed: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    lower: str | None = None
