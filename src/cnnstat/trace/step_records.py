"""The record of one step: its storages, each alive from one operator to another.

Time is counted in operators: `0` is the first of the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["forward", "loss", "backward", "optimizer"]
StorageKind = Literal[
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
    """Memory that tensors share: `nbytes` as requested, alive from operator `born` until `freed`.

    `born` is negative if it exists before the step, `freed` None if it is alive after it. `place`
    is the index of the place that allocated it. `on_host`: it is in the CPU's memory wherever the
    model runs, as the step counters of Adam are.
    """

    nbytes: int
    kind: StorageKind
    born: int
    freed: int | None
    place: int
    on_host: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A call by its path and type; the path is empty outside of all layers."""

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

    `loss` describes the loss, None for a forward pass alone. `attention` are the forms of attention
    that ran: flash, efficient or math. `checkpointed` are the paths of the modules recomputed in
    the backward pass, `units` those of FSDP's units; `lower` is the dtype in which it gathers
    parameters, None for that of the shards.
    """

    storages: tuple[Storage, ...]
    operators: tuple[Operator, ...]
    places: tuple[Place, ...]
    loss: str | None
    attention: tuple[str, ...]
    checkpointed: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    lower: str | None = None
