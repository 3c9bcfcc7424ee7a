"""Joins of tensors, and sequences packed in a row. Dimensions may be negative, as written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .field_algebra import features, in_a_row
from .field_rules import joint_field
from .reach import Field
from .registry import ShapeOf, Trait, operator
from .shape_rules import Misfit
from .views import MOVED, Rearrangement, axis_in


@operator("aten._pack_padded_sequence", traits=Trait.COPIES, reason=MOVED)
class Packing(Rearrangement, frozen=True):
    """Sequences of different lengths, padded to one → their steps in a row, batch sizes."""

    x: TensorSpec
    lengths: TensorSpec
    outputs: tuple[TensorSpec, ...] = ()

    @classmethod
    def of(cls, op: Op) -> Packing:
        x, lengths = op.args[:2]
        return cls(x, lengths, op.outputs)

    def origins(self, out: TensorSpec) -> tuple[TensorSpec, ...] | None:
        return (self.lengths,) if out in self.outputs[1:] else None


class Join(Rearrangement, frozen=True):
    """`dim` is as written, perhaps negative."""

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
        dim = axis_in(self.dim, len(out.shape))
        known = [fields[t.value] for t in self.tensors if t.value in fields]
        if any(field.is_along(dim) for field in known):
            return in_a_row(known, dim, out.shape[dim])
        return joint_field(self.tensors, out, fields, broadcast=False)


@operator("aten.stack", traits=Trait.COPIES, reason=MOVED)
class Stack(Join, frozen=True):
    @classmethod
    def of(cls, op: Op) -> Stack:
        return cls(op.arg(0, "tensors"), op.arg(1, "dim", 0))

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        return [stacked([shape(tensor) for tensor in self.tensors], self.dim)]

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        axis = axis_in(self.dim, len(out.shape))
        rest = structs.replace(out, shape=(*out.shape[:axis], *out.shape[axis + 1 :]))
        field = joint_field(self.tensors, rest, fields)
        if field is None or field.reason is not None:
            return field
        dims = (*field.dims[:axis], features(out.shape[axis]), *field.dims[axis:])
        return Field(dims, field.reaches)


# Rules on shapes alone: sizes may be symbolic.


def concatenated(shapes: Sequence[Sequence[int]], dim: int = 0) -> Shape:
    """Add the sizes along `dim`; an empty vector joins any tensor, as torch allows."""
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
    """Tensors of one shape along a new axis."""
    if not shapes:
        raise Misfit
    first = tuple(shapes[0])
    if any(tuple(shape) != first for shape in shapes):
        raise Misfit
    axis = axis_in(dim, len(first) + 1)
    return (*first[:axis], len(shapes), *first[axis:])
