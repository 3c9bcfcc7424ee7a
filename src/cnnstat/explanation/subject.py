"""The input of an explanation: one call, the operators that ran in it, its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..analysis.results import Layer
from ..operators.costs import Cost
from ..operators.registry import View, cost_of, view_of
from ..results import Shape
from ..trace.records import Call, Op, Parameter
from .expression import Expression
from .results import Explained, Step


@dataclass(frozen=True, slots=True)
class Operation:
    """One operator of a call, recorded in a run or restored from a row of a saved analysis.

    view: its arguments by name; None where the operator is merely counted. cost: None where it is
    uncounted. parameters: the names of those that it reads.
    """

    name: str
    view: View | None
    cost: Cost | None
    parameters: tuple[str, ...] = ()

    @classmethod
    def of(cls, op: Op) -> Operation:
        parameters = tuple(tensor.parameter for tensor in op.inputs if tensor.parameter)
        return cls(op.name, view_of(op), cost_of(op), parameters)


@dataclass(frozen=True, slots=True)
class Subject:
    """`operations` ran in the call, outside of nested ones; `parameters` are counted in it.

    `elsewhere` maps the other parameters that it reads to the calls that count them.
    """

    call: Call
    layer: Layer
    operations: tuple[Operation, ...]
    parameters: tuple[Parameter, ...]
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    @property
    def output(self) -> Shape:
        return self.call.outputs[0].shape if self.call.outputs else ()

    @property
    def views(self) -> list[View]:
        """The operators that are fully known."""
        return [op.view for op in self.operations if op.view is not None]

    @property
    def kinds(self) -> tuple[str, ...]:
        """`Conv2d` and the user-defined class, or the name of a function."""
        if self.call.module is None:
            return (self.call.type,)
        return (self.call.module.base, self.call.type)


def derived(
    figure: Explained, name: str, expression: Expression, remark: str | None = None,
    axes: Sequence[int] = (),
) -> Step:  # fmt: skip
    """A line of a figure with its calculation."""
    return Step(
        figure,
        name,
        expression.formula,
        expression.numbers,
        expression.value,
        remark,
        expression.symbols,
        tuple(axes),
    )


def stated(
    figure: Explained, name: str, result: int | float | Shape, remark: str, axes: Sequence[int] = ()
) -> Step:
    """A line of a figure without a calculation; `remark` is the reason."""
    return Step(figure, name, None, None, result, remark, axes=tuple(axes))
