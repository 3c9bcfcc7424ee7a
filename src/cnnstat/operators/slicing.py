"""Views of parts of a tensor: one element of an axis, a range of it, pieces. No data moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .misfit import Misfit, Unknown
from .reach import Field, resized
from .registry import ShapeOf, Trait, operator
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
        """One channel, or one element of the batch, sees what all see."""
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
        """An axis that was sliced whole stays whole; where a part ends may depend on its size."""
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
    """Pieces along one axis; `sizes` is None where a split was refused that names none."""

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
        """Those of `split_with_sizes`."""
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
        """Pieces along the channels see what the whole sees."""
        if any(along is not None for _, along in x.dims[axis_in(self.dim, len(x.dims))]):
            return None
        return replace(x, dims=resized(x, out))
