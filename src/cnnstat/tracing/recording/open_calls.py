"""What is open during a run: calls that have not returned, and the operator that runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...trace.records import Call, Kind, Module, Op, TensorSpec


@dataclass(slots=True)
class OpenCall:
    """A call during the run; it becomes a `Call` afterwards."""

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
    counted: bool = True
    scripted: bool = False  # whether it runs in TorchScript
    by_rule: Op | None = None  # a module with a rule of the user for its backward pass

    def record(self) -> Call:
        parent = None if self.parent is None else self.parent.index
        return Call(self.index, parent, self.depth, self.path, self.call, self.kind, self.type,
                    self.module, self.inputs, self.outputs, self.new_bytes,
                    self.counted)  # fmt: skip


@dataclass(slots=True)
class Attempt:
    """The operator about to run. It is recorded first, so a failure names it and its operands."""

    operator: Any
    name: str
    args: Any
    kwargs: Any
    call: OpenCall | None

    @property
    def calls(self) -> tuple[OpenCall, ...]:
        """The calls around it, the outermost first."""
        calls, call = [], self.call
        while call is not None:
            calls.append(call)
            call = call.parent
        return tuple(reversed(calls))
