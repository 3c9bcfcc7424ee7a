"""Parts of tensors: slices and pieces, joins, padding.

Dimensions are stored as written, negative ones too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .reach import Field, joint_field, resized, unknown_field
from .registry import ShapeOf, Trait, operator
from .shape_rules import Misfit, Unknown
from .views import VIEW, Rearrangement, axis_in, first_output


@operator("aten.select", traits=Trait.LAYOUT, reason=VIEW)
class Select(Rearrangement, frozen=True):
    """One element of an axis, which is removed."""

    x: TensorSpec
    dim: int
    index: int

    @classmethod
    def of(cls, op: Op) -> Select:
        return cls(op.args[0], op.arg(1, "dim"), op.arg(2, "index"))

    @property
    def args(self) -> tuple[Any, ...]:
        return self.x, self.dim, self.index

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        x = shape(self.x)
        axis = axis_in(self.dim, len(x))
        return [(*x[:axis], *x[axis + 1 :])]

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        """One channel, or one element of the batch, has the field of all."""
        axis = axis_in(self.dim, len(x.dims))
        if any(along is not None for _, along in x.dims[axis]):
            return None
        return replace(x, dims=(*x.dims[:axis], *x.dims[axis + 1 :]))


@operator("aten.slice", traits=Trait.LAYOUT, reason=VIEW)
class Slice(Rearrangement, frozen=True):
    """`x[start:end:step]` along one axis."""

    x: TensorSpec
    dim: int = 0
    start: int | None = None
    end: int | None = None
    step: int = 1
    out: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> Slice:
        start, end = op.arg(2, "start"), op.arg(3, "end")
        step, dim = op.arg(4, "step", 1), op.arg(1, "dim", 0)
        return cls(op.args[0], dim, start, end, step, first_output(op))

    @property
    def args(self) -> tuple[Any, ...]:
        return self.x, self.dim, self.start, self.end, self.step

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        """A full slice keeps the axis; where a part ends may depend on the size of the axis."""
        if self.out is None:
            raise Unknown
        x = shape(self.x)
        axis = axis_in(self.dim, len(x))
        before, after = self.x.shape[axis], self.out.shape[axis]
        if x[axis] != before and after != before:
            raise Unknown
        return [(*x[:axis], x[axis] if after == before else after, *x[axis + 1 :])]

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        dim = axis_in(self.dim, len(x.dims))
        reaches = dict(x.reaches)
        axis = x.axis_of(dim)
        if axis is not None:
            start = self.start or 0
            start += self.x.shape[dim] if start < 0 else 0
            moved = reaches[axis].slide(1, 1, -start, 1)
            reaches[axis] = replace(moved, jump=self.step * moved.jump)
        return Field(resized(x, out), reaches)


@operator(
    "aten.split", "aten.split_with_sizes", "aten.unsafe_split", "aten.unsafe_split_with_sizes",
    "aten.chunk", "aten.unsafe_chunk", traits=Trait.LAYOUT, reason=VIEW,
)  # fmt: skip
class Split(Rearrangement, frozen=True):
    """Pieces along one axis; `sizes` is None where a refused split names none."""

    x: TensorSpec
    sizes: Shape | None
    dim: int = 0
    refused: bool = False

    @classmethod
    def of(cls, op: Op) -> Split:
        dim, sizes = op.arg(2, "dim", 0), op.arg(1, "split_sizes")
        if op.outputs:
            sizes = tuple(out.shape[dim] for out in op.outputs)
        known = sizes if isinstance(sizes, tuple) else None
        return cls(op.args[0], known, dim, not op.outputs)

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments of `split_with_sizes`."""
        return self.x, self.sizes, self.dim

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        x = shape(self.x)
        axis = axis_in(self.dim, len(x))
        if self.sizes is None or (not self.refused and x[axis] != self.x.shape[axis]):
            raise Unknown  # `chunk` and equal pieces follow the size of the axis
        if sum(self.sizes) != x[axis]:
            raise Misfit
        return [(*x[:axis], size, *x[axis + 1 :]) for size in self.sizes]

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        """Pieces along the channels have the field of all channels."""
        if any(along is not None for _, along in x.dims[axis_in(self.dim, len(x.dims))]):
            return None
        return replace(x, dims=resized(x, out))


MOVED = "data moves, nothing is computed"


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
        if x.axis_of(axis_in(self.dim, len(out.shape))) is not None:
            return unknown_field("positions of several maps in a row")
        return joint_field(self.tensors, out, fields, broadcast=False)


@operator("aten.stack", traits=Trait.COPIES, reason=MOVED)
class Stack(Join, frozen=True):
    @classmethod
    def of(cls, op: Op) -> Stack:
        return cls(op.arg(0, "tensors"), op.arg(1, "dim", 0))

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        return [stacked([shape(tensor) for tensor in self.tensors], self.dim)]


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


@operator(
    "aten.constant_pad_nd",
    *(f"aten.{kind}_pad{dims}d" for kind in ("reflection", "replication") for dims in (1, 2, 3)),
    traits=Trait.COPIES, reason=MOVED,
)  # fmt: skip
class Pad(Rearrangement, frozen=True):
    """`amounts` start at the last axis: front, back, front, back, … Negative ones crop."""

    x: TensorSpec
    amounts: Shape
    out: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> Pad:
        amounts = op.arg(1, "pad", op.kwargs.get("padding"))
        return cls(op.args[0], amounts, first_output(op))

    @property
    def args(self) -> tuple[Any, ...]:
        return self.x, self.amounts

    def added(self, axis: int) -> int:
        """How much the size of an axis of `x` grows."""
        place = 2 * (len(self.x.shape) - 1 - axis)
        return sum(self.amounts[place : place + 2])

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        if self.out is not None:  # amounts often depend on sizes; the record has their values
            raise Unknown
        return [padded(shape(self.x), self.amounts)]

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        """Padding in front moves position 0 to the left of the input."""
        reaches = dict(x.reaches)
        for number, before in enumerate(self.amounts[::2]):
            axis = x.axis_of(len(out.shape) - 1 - number)
            if axis is not None:
                reaches[axis] = reaches[axis].slide(1, 1, before, 1)
        return Field(resized(x, out), reaches)


def padded(x: Sequence[int], amounts: Sequence[int]) -> Shape:
    """The sizes after padding; they may be symbolic."""
    if len(amounts) % 2 or len(amounts) > 2 * len(x):
        raise Misfit
    sizes = list(x)
    for place in range(0, len(amounts), 2):
        sizes[-1 - place // 2] += amounts[place] + amounts[place + 1]
    # only crops are compared: of symbolic sizes each comparison is recorded as a condition
    if min(amounts, default=0) < 0 and any(size < 0 for size in sizes):
        raise Misfit
    return tuple(sizes)
