"""Views of whole tensors: the same elements under other axes. No data moves.

Dimensions are stored as written, negative ones too: a replay may have more axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .costs import Cost
from .field_algebra import grouped
from .field_rules import joint_field
from .reach import Field
from .registry import ShapeOf, Trait, View, operator
from .shape_rules import Misfit, Unknown

VIEW = "layout only: a view, no data moves"
MOVED = "data moves, nothing is computed"


class Rearrangement(View, frozen=True):
    """An operator that computes nothing."""

    def cost(self) -> Cost:
        return Cost()


class Regrouping(Rearrangement, frozen=True):
    """An operator that merges and splits axes, in their order."""

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        return grouped(x, out.shape)


@operator("aten.view", "aten._unsafe_view", "aten.reshape", traits=Trait.LAYOUT, reason=VIEW)
class Reshape(Regrouping, frozen=True):
    """`sizes` are the requested ones, of which one may be -1; None for another dtype."""

    x: TensorSpec
    sizes: Shape | None
    out: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> Reshape:
        sizes = op.arg(1, "size", op.kwargs.get("shape"))
        return cls(op.args[0], sizes if isinstance(sizes, tuple) else None, first_output(op))

    @property
    def args(self) -> tuple[Any, ...]:
        return self.x, self.sizes

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        if self.sizes is None:
            raise Unknown
        if self.out is None or -1 in self.sizes:
            return [reshaped(shape(self.x), self.sizes)]
        return [_laid_out(self.x.shape, shape(self.x), self.out.shape)]


@operator("aten.squeeze", traits=Trait.LAYOUT, reason=VIEW)
class Squeeze(Regrouping, frozen=True):
    """Removes axes of size 1: those of `dims`, or all."""

    x: TensorSpec
    dims: Shape | None = None

    @classmethod
    def of(cls, op: Op) -> Squeeze:
        dims = op.arg(1, "dim")
        return cls(op.args[0], (dims,) if isinstance(dims, int) else dims)

    @property
    def args(self) -> tuple[Any, ...]:
        return (self.x,) if self.dims is None else (self.x, self.dims)

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        return [squeezed(shape(self.x), self.dims)]


@operator("aten.unsqueeze", traits=Trait.LAYOUT, reason=VIEW)
class Unsqueeze(Regrouping, frozen=True):
    """Adds an axis of size 1."""

    x: TensorSpec
    dim: int

    @classmethod
    def of(cls, op: Op) -> Unsqueeze:
        return cls(op.args[0], op.arg(1, "dim"))

    @property
    def args(self) -> tuple[Any, ...]:
        return self.x, self.dim

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        x = shape(self.x)
        axis = axis_in(self.dim, len(x) + 1)
        return [(*x[:axis], 1, *x[axis:])]


class Reordering(Rearrangement, frozen=True):
    """The same axes in another order."""

    x: TensorSpec

    def order(self, rank: int) -> Shape:
        """The axis of the input for each axis of the output."""
        raise NotImplementedError

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        x = shape(self.x)
        return [tuple(x[axis] for axis in self.order(len(x)))]

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        return replace(x, dims=tuple(x.dims[axis] for axis in self.order(len(x.dims))))


@operator("aten.permute", traits=Trait.LAYOUT, reason=VIEW)
class Permute(Reordering, frozen=True):
    dims: Shape

    @classmethod
    def of(cls, op: Op) -> Permute:
        return cls(op.args[0], op.arg(1, "dims"))

    @property
    def args(self) -> tuple[Any, ...]:
        return self.x, self.dims

    def order(self, rank: int) -> Shape:
        if len(self.dims) != rank:
            raise Misfit
        return tuple(axis_in(dim, rank) for dim in self.dims)


@operator("aten.transpose", "aten.t", traits=Trait.LAYOUT, reason=VIEW)
class Transpose(Reordering, frozen=True):
    """Two axes change places."""

    dims: tuple[int, int]

    @classmethod
    def of(cls, op: Op) -> Transpose:
        if op.name.startswith("aten.transpose"):
            return cls(op.args[0], (op.arg(1, "dim0"), op.arg(2, "dim1")))
        return cls(op.args[0], (0, 1))

    def order(self, rank: int) -> Shape:
        order = list(range(rank))
        if rank > 1:  # a vector has one axis
            a, b = (axis_in(dim, rank) for dim in self.dims)
            order[a], order[b] = order[b], order[a]
        return tuple(order)


@operator("aten.expand", traits=Trait.LAYOUT, reason=VIEW)
class Expand(Rearrangement, frozen=True):
    """Repeats along axes of size 1, without a copy."""

    x: TensorSpec
    sizes: Shape
    out: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> Expand:
        return cls(op.args[0], op.arg(1, "size"), first_output(op))

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        if self.out is None:
            return [expanded(shape(self.x), self.sizes)]
        if self.out.shape != self.x.shape:  # `expand_as` uses the sizes of another tensor
            raise Unknown
        return [shape(self.x)]

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        return joint_field([self.x], out, fields)


# Rules on shapes alone: sizes may be symbolic.


def axis_in(dim: int, rank: int) -> int:
    """The axis of a dimension that may be negative.

    Raises:
        Misfit: there is no such axis.
    """
    if not -rank <= dim < rank:
        raise Misfit
    return dim % rank


def reshaped(x: Shape, sizes: Shape) -> Shape:
    """The requested sizes, -1 replaced by the size that is left over."""
    total = prod(x)
    if -1 in sizes:
        others = -prod(sizes)
        if not others or total % others:
            raise Misfit
        return tuple(total // others if size == -1 else size for size in sizes)
    if prod(sizes) != total:
        raise Misfit
    return sizes


def squeezed(x: Shape, dims: Shape | None = None) -> Shape:
    axes = range(len(x)) if dims is None else {axis_in(dim, len(x)) for dim in dims}
    return tuple(size for axis, size in enumerate(x) if axis not in axes or size != 1)


def expanded(x: Shape, sizes: Shape) -> Shape:
    added = len(sizes) - len(x)
    if added < 0 or -1 in sizes[:added]:
        raise Misfit
    pairs = zip(x, sizes[added:], strict=True)
    if any(size not in (-1, before) and before != 1 for before, size in pairs):
        raise Misfit
    old_axes = (n if size == -1 else size for n, size in zip(x, sizes[added:], strict=True))
    return (*sizes[:added], *old_axes)


def _laid_out(old: Shape, new: Shape, recorded: Shape) -> Shape:
    """The sizes that a view, which turned `old` into `recorded`, gives an input of `new`.

    The record does not say which of them depended on the input. Axes that were merged or unchanged
    are followed; of those that were split, the last one takes the remainder.
    """
    if 0 in old and len(recorded) == 2:
        return new[0], prod(new[1:])
    if len(old) != len(new) or 0 in old:
        raise Unknown
    sizes: list[int] = []
    # Pair the shortest runs of old and recorded axes with equal products, then size each run anew.
    i = j = 0
    while i < len(old) or j < len(recorded):
        a, b = i, j
        i, j = i + 1, j + 1
        while prod(old[a:i]) != prod(recorded[b:j]):
            if prod(old[a:i]) < prod(recorded[b:j]) and i < len(old):
                i += 1
            elif j < len(recorded):
                j += 1
            else:
                raise Unknown
        total, split = prod(new[a:i]), recorded[b:j]
        if old[a:i] == new[a:i]:
            sizes += split
        elif split:
            if total % prod(split[:-1]):
                raise Misfit
            sizes += (*split[:-1], total // prod(split[:-1]))
        elif total != 1:
            raise Misfit
    return tuple(sizes)


def first_output(op: Op) -> TensorSpec | None:
    return op.outputs[0] if op.outputs else None
