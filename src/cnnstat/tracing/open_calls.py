"""A call while it is open, and the operator that is about to run in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..trace.records import Call, Kind, Module, TensorSpec


@dataclass(slots=True)
class OpenCall:
    """A call while it runs; it becomes a `Call` when the run is over."""

    index: int
    parent: OpenCall | None
    depth: int
    path: str
    call: int
    kind: Kind
    type: str
    module: Module | None
    library: bool
    inputs: tuple[TensorSpec, ...]
    first_op: int
    outputs: tuple[TensorSpec, ...] = ()
    new_bytes: int = 0

    def record(self) -> Call:
        parent = None if self.parent is None else self.parent.index
        return Call(self.index, parent, self.depth, self.path, self.call, self.kind, self.type,
                    self.module, self.inputs, self.outputs, self.new_bytes)  # fmt: skip


Observer = Callable[[OpenCall, Any], None]


@dataclass(slots=True)
class Attempt:
    """The op that is about to run, noted before it does: a failure names it and its operands."""

    operator: Any
    name: str
    args: Any
    kwargs: Any
    call: OpenCall | None

    @property
    def calls(self) -> tuple[OpenCall, ...]:
        """The calls in which it runs, the outermost first."""
        calls, call = [], self.call
        while call is not None:
            calls.append(call)
            call = call.parent
        return tuple(reversed(calls))
