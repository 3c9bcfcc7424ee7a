"""Parts of tensors: slices, pieces and padding.

Dimensions are stored as written, negative ones too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from msgspec import structs

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .field_algebra import (
    checked,
    features,
    merged,
    resized,
    stepped,
    union,
    with_positions,
)
from .reach import IN_A_ROW, Factor, Field, distance
from .registry import ShapeOf, Trait, operator
from .shape_rules import Misfit, Unknown
from .views import MOVED, VIEW, Rearrangement, axis_in, first_output


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
        """Of positions one is left."""
        axis = axis_in(self.dim, len(x.dims))
        if IN_A_ROW in x.axes_along([axis]):
            return None
        reaches, index = dict(x.reaches), self.index % self.x.shape[axis]
        for factor in reversed(merged(x.dims[axis])):
            if factor.axis is not None:
                reach = reaches[factor.axis].moved(index % factor.size * factor.jump)
                reaches[factor.axis] = replace(reach, cropped=True)
            index //= factor.size
        field = Field((*x.dims[:axis], *x.dims[axis + 1 :]), reaches)
        return checked(field, x.axes_along([axis]))

    def field_around(self, part: Field, x: Field | None) -> Field | None:
        """One channel was written; one position would be another step."""
        axis = axis_in(self.dim, len(self.x.shape))
        dims = (*part.dims[:axis], features(self.x.shape[axis]), *part.dims[axis:])
        around = Field(dims, part.reaches)
        if x is None:
            return around if part.axes_along(range(len(part.dims))) == set(part.reaches) else None
        return None if x.is_along(axis) else union(x, around)


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
        start = self.start or 0
        start += self.x.shape[dim] if start < 0 else 0
        return sliced_field(x, dim, max(0, start), out.shape[dim], self.step)

    def field_around(self, part: Field, x: Field | None) -> Field | None:
        dim = axis_in(self.dim, len(self.x.shape))
        start = self.start or 0
        start += self.x.shape[dim] if start < 0 else 0
        found = with_positions(part, dim)
        if found is None or self.step != 1:
            return None
        part, axis = found
        size = self.x.shape[dim]
        written = prod(factor.size for factor in part.dims[dim])
        at_an_end = start == 0 or start + written == size
        if x is not None and axis is not None and written < size:
            if 4 * written <= size and at_an_end and _sees_no_more(part, x):
                return x  # as padding
            if 4 * written < 3 * size:
                return None
        if x is not None and axis is None and x.is_along(dim):
            return x if written == 1 and at_an_end and _sees_no_more(part, x) else None
        if axis is None:
            part = part.with_dim(dim, features(size))
        else:
            jump = part.dims[dim][0].jump
            part = stepped(part, dim, size, part.reaches[axis].moved(-start * jump), jump)
        return part if x is None else union(x, part)


def _sees_no_more(part: Field, x: Field) -> bool:
    """Whether no element of a part that was written sees more than those of `x` did."""
    return all(part.reaches[axis].size <= reach.size for axis, reach in x.reaches.items())


def sliced_field(x: Field, dim: int, start: int, size: int, step: int = 1) -> Field | None:
    """Positions from `start` on, `size` of them; of several factors a part of the first."""
    factors = merged(x.dims[dim])
    before = prod(factor.size for factor in factors)
    if size == before and step == 1:
        return x
    if not x.is_along(dim):
        return x.with_dim(dim, features(size))
    inner = prod(factor.size for factor in factors[1:])
    if inner > 1 and (start % inner or size % inner or step != 1):
        found = with_positions(x, dim)
        if found is None:
            return None
        x, factors, inner = found[0], found[0].dims[dim], 1
    first = factors[0]
    if first.axis is None or first.axis == IN_A_ROW:
        return None
    reach = replace(x.reaches[first.axis].moved(start // inner * first.jump), cropped=True)
    part = Factor(size // inner, first.axis, first.jump * step)
    reach = replace(reach, stride=distance(part.jump))
    return x.with_dim(dim, (part, *factors[1:]), {**x.reaches, first.axis: reach})


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
    outputs: tuple[TensorSpec, ...] = ()

    @classmethod
    def of(cls, op: Op) -> Split:
        dim, sizes = op.arg(2, "dim", 0), op.arg(1, "split_sizes")
        if op.outputs:
            sizes = tuple(out.shape[dim] for out in op.outputs)
        known = sizes if isinstance(sizes, tuple) else None
        return cls(op.args[0], known, dim, not op.outputs, op.outputs)

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
        dim = axis_in(self.dim, len(x.dims))
        if not x.is_along(dim):  # pieces of the channels have the field of all channels
            return replace(x, dims=resized(x, out))
        if out not in self.outputs or self.sizes is None:
            return None
        number = self.outputs.index(out)
        return sliced_field(x, dim, sum(self.sizes[:number]), self.sizes[number])


@operator("aten.unbind", traits=Trait.LAYOUT, reason=VIEW)
class Unbind(Rearrangement, frozen=True):
    """All elements of an axis, which is removed."""

    x: TensorSpec
    dim: int
    outputs: tuple[TensorSpec, ...] = ()

    @classmethod
    def of(cls, op: Op) -> Unbind:
        return cls(op.args[0], op.arg(1, "dim", 0), op.outputs)

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        number = self.outputs.index(out) if out in self.outputs else 0
        return Select(self.x, self.dim, number).field(x, out, fields)


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

    def changed(self, settings: Mapping[str, Any]) -> Pad:
        """By a layer: in front and behind along each axis, the last one first."""
        amounts = settings.get("padding")
        if not isinstance(amounts, tuple) or len(amounts) != len(self.amounts):
            raise Unknown  # a convolution pads in another mode before it
        return structs.replace(self, amounts=amounts, out=None)

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
        for number in range(len(self.amounts) // 2):
            before, after = self.amounts[2 * number : 2 * number + 2]
            dim = len(out.shape) - 1 - number
            if not before and not after:
                continue
            found = with_positions(x, dim)
            if found is None:
                return None
            x, axis = found
            if axis is None:
                continue
            jump = x.dims[dim][0].jump
            reach = x.reaches[axis].moved(-before * jump)
            if min(before, after) < 0:
                reach = replace(reach, cropped=True)
            x = stepped(x, dim, out.shape[dim], reach, jump)
        return Field(resized(x, out), x.reaches)


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
