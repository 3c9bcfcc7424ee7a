"""Joins: tensors one behind the other along an axis, or along a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .misfit import Misfit
from .reach import Field, lost, met
from .registry import ShapeOf, Trait, operator
from .views import Rearrangement, axis_in

MOVED = "data moves, nothing is computed"


class Join(Rearrangement, frozen=True):
    """`dim` is as it was written, perhaps negative."""

    tensors: tuple[TensorSpec, ...]
    dim: int = 0

    @property
    def args(self) -> tuple[Any, ...]:
        return self.tensors, self.dim


@operator("aten.cat", traits=Trait.COPIES, reason=MOVED)
class Cat(Join, frozen=True):
    @classmethod
    def of(cls, op: Op) -> Cat:
        return cls(op.arg(0, "tensors"), op.arg(1, "dim", 0))

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        return [concatenated([shape(tensor) for tensor in self.tensors], self.dim)]

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        if x.axis_of(axis_in(self.dim, len(out.shape))) is not None:
            return lost("positions of several maps in a row")
        return met(self.tensors, out, fields, broadcast=False)


@operator("aten.stack", traits=Trait.COPIES, reason=MOVED)
class Stack(Join, frozen=True):
    @classmethod
    def of(cls, op: Op) -> Stack:
        return cls(op.arg(0, "tensors"), op.arg(1, "dim", 0))

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        return [stacked([shape(tensor) for tensor in self.tensors], self.dim)]


# The rules on shapes alone: sizes may be ints or carry letters.


def concatenated(shapes: Sequence[Sequence[int]], dim: int = 0) -> Shape:
    """The sizes along `dim` are added; an empty vector joins anything, as it always did."""
    joined = [shape for shape in shapes if not (len(shape) == 1 and shape[0] == 0)]
    if not joined:
        return (0,)
    first, *others = joined
    axis = axis_in(dim, len(first))
    if any(len(shape) != len(first) for shape in others):
        raise Misfit
    rests = [(*shape[:axis], *shape[axis + 1 :]) for shape in joined]
    if any(rest != rests[0] for rest in rests):
        raise Misfit
    return (*first[:axis], sum(shape[axis] for shape in joined), *first[axis + 1 :])


def stacked(shapes: Sequence[Sequence[int]], dim: int = 0) -> Shape:
    """All of one shape, counted along a new axis."""
    if not shapes:
        raise Misfit
    first = tuple(shapes[0])
    if any(tuple(shape) != first for shape in shapes):
        raise Misfit
    axis = axis_in(dim, len(first) + 1)
    return (*first[:axis], len(shapes), *first[axis:])
