"""Receptive fields of tensors: the values that `analysis/receptive_field.py` computes with.

An element of a tensor sees an interval of each spatial axis of the input. How the interval moves
with the indices of the element is a property of the tensor's dimensions: each is a product of
factors, the first one the slowest, and one step along a factor moves the interval by `jump` pixels
of one axis of the input, or not at all.

    H×W map of an image          (H: axis 0, jump 1) · (W: axis 1, jump 1)
    after a stride of 2          the same axes, jump 2
    flattened to tokens          one dimension of both factors
    space to depth by 2          (H/2, jump 2), and in the channels (2, jump 1)
    windows of 7 tokens          (H/7, jump 7) in the batch, (7, jump 1) among the tokens
    each pixel twice             (H, jump 1) · (2, no axis)

So views split and merge factors and a permute exchanges dimensions. An operator that combines a
dimension (a matrix product, a mean, a softmax) widens the interval by all that its factors span.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from math import lcm, prod
from typing import TYPE_CHECKING, NamedTuple

from .shape_rules import broadcasts_to

if TYPE_CHECKING:
    from ..trace.records import Op, TensorSpec
    from .shape_rules import Window

Pixels = Fraction | int
"""A distance along an axis of the input; a fraction after an enlargement."""

ENTIRE_INPUT = "whole input"
NOT_SPATIAL = "no spatial input"
DIFFERENT_STRIDES = "branches of different strides meet"
DIFFERENT_SIZES = "windows of different sizes"
SEVERAL_MAPS = "positions of several maps in a row"


@dataclass(frozen=True, slots=True)
class Reach:
    """The interval of one input axis that is seen by the element whose indices are all 0.

    length: the size of the axis. stride: the last distance between neighbouring positions.
    entire: all of the axis is seen, from every position. cropped: some positions were cut off.
    irregular: intervals differ in size, `low` and `high` are of the largest. uneven: they differ
    in a pattern that repeats with every `grain`, as after some transposed convolutions.

    Where positions are in steps smaller than those of what they see, as after an enlargement,
    windows see a varying number of steps. grain: the size of these steps, and `base` the size of
    the interval before; the largest number of steps counts.
    """

    low: Pixels
    high: Pixels
    length: int
    stride: Pixels = 1
    entire: bool = False
    cropped: bool = False
    irregular: bool = False
    uneven: bool = False
    grain: Pixels = 0
    base: Pixels = 0

    @property
    def size(self) -> Pixels:
        if self.entire:
            return self.length
        extent = self.high - self.low + 1
        if self.grain:
            extent = self.base - (self.base - extent) // self.grain * self.grain  # rounded up
        return extent

    @property
    def is_exact(self) -> bool:
        """Whether `size` is that of the largest interval: of uneven ones, in whole steps only."""
        extent = self.high - self.low + 1
        return not (self.uneven and self.grain and (extent - self.base) % self.grain)

    def moved(self, by: Pixels) -> Reach:
        return replace(self, low=self.low + by, high=self.high + by)

    def widened(self, by: Pixels) -> Reach:
        """The union with the interval moved by this."""
        return replace(self, low=self.low + min(by, 0), high=self.high + max(by, 0))

    def coarse(self, grain: Pixels) -> Reach:
        """In front of positions in smaller steps than `grain`."""
        if self.entire or grain < self.grain:
            return self
        return replace(self, high=self.low + self.size - 1, grain=grain, base=self.size)

    def join(self, other: Reach) -> Reach:
        wider, narrower = (self, other) if self.size >= other.size else (other, self)
        return replace(
            wider,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            entire=self.entire or other.entire,
            cropped=self.cropped and other.cropped,
            irregular=self.irregular or other.irregular,
            uneven=self.uneven or other.uneven,
            stride=min(self.stride, other.stride),
            grain=wider.grain or narrower.grain,
            base=wider.base if wider.grain else narrower.base,
        )

    def contains(self, other: Reach) -> bool:
        return self.entire or (self.low <= other.low and other.high <= self.high)


IN_A_ROW = -1
"""Instead of an axis: positions of several maps, or of a map and something else, in a row."""


class Factor(NamedTuple):
    """A part of a dimension; `axis` is None for channels and other features."""

    size: int
    axis: int | None = None
    jump: Pixels = 0


Dim = tuple[Factor, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """The receptive field of one tensor; `reason` is set where there is none to report.

    dims: the factors of each dimension. reaches: the reach along each spatial input axis.
    """

    dims: tuple[Dim, ...]
    reaches: Mapping[int, Reach]
    reason: str | None = None

    @property
    def size(self) -> tuple[float, ...] | None:
        if self.reason is not None:
            return None
        return tuple(_plain(r.size) for _, r in sorted(self.reaches.items()))

    @property
    def stride(self) -> tuple[float, ...] | None:
        if self.reason is not None:
            return None
        return tuple(_plain(self._stride_along(axis)) for axis in sorted(self.reaches))

    def _stride_along(self, axis: int) -> Pixels:
        """The jump of positions that are one factor without repetition, else the last one known."""
        found = [
            (factor.jump, any(other.axis is None and other.size != 1 for other in dim))
            for dim in self.dims
            for factor in dim
            if factor.axis == axis and factor.size != 1
        ]
        alone = len(found) == 1 and not found[0][1]
        return distance(found[0][0] if alone else self.reaches[axis].stride)

    def is_along(self, dim: int) -> bool:
        """Whether positions of the input run along a dimension."""
        return any(factor.axis is not None and factor.size != 1 for factor in self.dims[dim])

    def axes_along(self, dims: Iterable[int]) -> set[int]:
        found = (factor for dim in dims for factor in self.dims[dim])
        return {f.axis for f in found if f.axis is not None and f.size != 1}

    @property
    def is_in_a_row(self) -> bool:
        """Whether it is only known what the elements see once they are combined."""
        return any(factor.axis == IN_A_ROW for dim in self.dims for factor in dim)


NO_FIELD = Field((), {}, NOT_SPATIAL)


def distance(jump: Pixels) -> Pixels:
    return -jump if jump < 0 else jump


def _plain(number: Pixels) -> float:
    return int(number) if number.denominator == 1 else float(number)


@cache
def unknown_field(reason: str) -> Field:
    return Field((), {}, reason)


ENTIRE_FIELD = unknown_field(ENTIRE_INPUT)
NOT_SPATIAL_FIELD = unknown_field(NOT_SPATIAL)


def not_followed(op: Op) -> str:
    return f"not followed through {op.name.removeprefix('aten.')}"


# Factors


def features(size: int) -> Dim:
    """A dimension along which no position runs."""
    return (Factor(size),)


def merged(factors: Iterable[Factor]) -> Dim:
    """The factors without those of size 1, neighbours that are one axis in steps joined."""
    result: list[Factor] = []
    for factor in factors:
        if type(factor.size) is int and factor.size == 1:
            continue
        last = result[-1] if result else None
        if last and last.axis == factor.axis and last.jump == factor.jump * factor.size:
            result[-1] = Factor(last.size * factor.size, factor.axis, factor.jump)
        else:
            result.append(factor)
    return tuple(result) or features(1)


def split(factor: Factor, outer: int) -> tuple[Factor, Factor]:
    """Two factors, the first one of size `outer`."""
    inner = factor.size // outer
    return Factor(outer, factor.axis, factor.jump * inner), factor._replace(size=inner)


def grouped(x: Field, sizes: Sequence[int]) -> Field | None:
    """The field of a view with other sizes: factors are split and merged in their order."""
    factors = [factor for dim in x.dims for factor in merged(dim) if factor.size != 1]
    dims: list[Dim] = []
    for size in sizes:
        group: list[Factor] = []
        while size != 1:
            if not factors:
                return None
            first, *factors = factors
            if size % first.size == 0:
                group.append(first)
                size //= first.size
            elif first.size % size == 0:
                outer, inner = split(first, size)
                group.append(outer)
                factors.insert(0, inner)
                size = 1
            else:
                return None
        dims.append(merged(group))
    return replace(x, dims=tuple(dims))


def resized(x: Field, out: TensorSpec) -> tuple[Dim, ...]:
    """The dimensions of `x` with the sizes of the output, where a size of features changes."""
    pairs = zip(x.dims, out.shape, strict=False)
    return tuple([_sized(factors, size) for factors, size in pairs])


def _sized(factors: Dim, size: int) -> Dim:
    if len(factors) == 1:
        first = factors[0]
        return factors if first.axis is not None or first.size == size else features(size)
    return features(size) if all(factor.axis is None for factor in factors) else factors


def checked(x: Field, axes: Iterable[int]) -> Field:
    """The field after positions along these axes were combined or removed.

    An axis without positions left is seen entirely; if some were cropped, as far as the others saw.
    """
    remaining = x.axes_along(range(len(x.dims)))
    reaches = dict(x.reaches)
    for axis in axes:
        if axis == IN_A_ROW:
            continue
        reach = reaches[axis]
        if axis not in remaining and not reach.entire:
            low, high = max(reach.low, 0), min(reach.high, reach.length - 1)
            covered = not reach.cropped or (low == 0 and high == reach.length - 1)
            reaches[axis] = replace(reach, low=low, high=max(low, high), entire=covered)
    entire = {axis for axis, reach in reaches.items() if reach.entire}
    return _entire_or(Field(tuple(_without(dim, entire) for dim in x.dims), reaches))


def _without(dim: Dim, axes: Collection[int]) -> Dim:
    if not any(factor.axis in axes for factor in dim):
        return dim
    return merged(Factor(f.size) if f.axis in axes else f for f in dim)


def in_a_row(pieces: Sequence[Field], dim: int, size: int) -> Field:
    """The field of a dimension of `size` into which pieces with these fields are joined.

    No piece alone says what an element sees, but what is combined along the dimension sees all.
    """
    row = (Factor(size, IN_A_ROW),)
    joined: Field | None = None
    for piece in pieces:
        reaches = dict(piece.reaches)
        for factor in piece.dims[dim]:
            if factor.axis is not None and factor.axis != IN_A_ROW:
                reach = reaches[factor.axis]
                reaches[factor.axis] = reach.widened((factor.size - 1) * factor.jump)
        along = piece.axes_along([dim])
        part = checked(Field((*piece.dims[:dim], row, *piece.dims[dim + 1 :]), reaches), along)
        joined = part if joined is None else union(joined, part)
        if joined.reason is not None:
            return joined
    assert joined is not None
    return joined


def combined(x: Field, dims: Collection[int], keepdim: bool = True) -> Field:
    """The field of elements that see all of these dimensions; `keepdim`: they stay as features."""
    reaches = dict(x.reaches)
    for dim in dims:
        for factor in x.dims[dim]:
            if factor.axis is not None and factor.axis != IN_A_ROW:
                reach = reaches[factor.axis]
                reaches[factor.axis] = reach.widened((factor.size - 1) * factor.jump)
    left = tuple(
        features(prod(f.size for f in dim)) if number in dims else dim
        for number, dim in enumerate(x.dims)
        if keepdim or number not in dims
    )
    return checked(Field(left, reaches), x.axes_along(dims))


def with_positions(x: Field, dim: int) -> tuple[Field, int | None] | None:
    """The field with a dimension that is one factor, and its axis, None for features.

    Repeated positions become smaller steps. None where positions share the dimension with others.
    """
    factors = merged(x.dims[dim])
    if all(factor.axis is None for factor in factors):
        return x, None
    first, *rest = factors
    if (
        first.axis in (None, IN_A_ROW)
        or len(rest) > 1
        or any(factor.axis is not None for factor in rest)
    ):
        return None
    axis = first.axis
    if not rest:
        return replace(x, dims=(*x.dims[:dim], factors, *x.dims[dim + 1 :])), axis
    times = rest[0].size
    factor = Factor(first.size * times, axis, Fraction(first.jump) / times)
    reaches = {**x.reaches, axis: x.reaches[axis].coarse(distance(first.jump))}
    return Field((*x.dims[:dim], (factor,), *x.dims[dim + 1 :]), reaches), axis


def repeated(x: Field, dim: int, times: int) -> Field:
    """The field with each position of a dimension several times in a row."""
    factors = merged((*x.dims[dim], Factor(times)))
    reaches = dict(x.reaches)
    for axis in x.axes_along([dim]) - {IN_A_ROW}:
        reaches[axis] = replace(reaches[axis], stride=Fraction(reaches[axis].stride) / times)
    return Field((*x.dims[:dim], factors, *x.dims[dim + 1 :]), reaches)


def stepped(x: Field, dim: int, size: int, reach: Reach, jump: Pixels) -> Field:
    """The field with one dimension replaced by `size` positions of the axis of its first factor."""
    axis = x.dims[dim][0].axis
    assert axis is not None
    dims = (*x.dims[:dim], (Factor(size, axis, jump),), *x.dims[dim + 1 :])
    return Field(dims, {**x.reaches, axis: replace(reach, stride=distance(jump))})


# Operators


def windowed_field(
    window: Window, x: Field, out: TensorSpec, transposed: bool = False
) -> Field | None:
    """The field after a window over the last dimensions; None where it is not followed."""
    offset = len(out.shape) - len(window.kernel)
    if offset < 0 or len(x.dims) != len(out.shape):
        return None
    field = x
    sizes = zip(window.kernel, window.stride, window.padding, window.dilation, strict=True)
    for dim, (kernel, stride, padding, dilation) in enumerate(sizes, offset):
        if kernel == stride == 1 and padding == 0:
            continue
        found = with_positions(field, dim)
        if found is None:
            return None
        field, axis = found
        if axis is None:
            field = replace(field, dims=(*field.dims[:dim], features(out.shape[dim]),
                                         *field.dims[dim + 1 :]))  # fmt: skip
            continue
        reach, jump = field.reaches[axis], field.dims[dim][0].jump
        if reach.irregular and kernel > 1:
            return unknown_field(DIFFERENT_SIZES)
        if transposed:
            reach, jump = _transposed(reach, jump, kernel, stride, padding, dilation)
        else:
            reach = reach.moved(-padding * jump).widened((kernel - 1) * dilation * jump)
            jump = stride * jump
        if not reach.is_exact:
            return unknown_field(DIFFERENT_SIZES)
        field = stepped(field, dim, out.shape[dim], reach, jump)
    return Field(resized(field, out), field.reaches)


def _transposed(
    reach: Reach, jump: Pixels, kernel: int, stride: int, padding: int, dilation: int
) -> tuple[Reach, Pixels]:
    """Output p of a transposed convolution reads the inputs i with i·s + t·d = p + padding.

    The taps t that contribute to one output are a multiple of the stride apart: they span at
    most ⌊(k-1)·d / lcm(s,d)⌋ · lcm(s,d) / s inputs. Where s > 1, some outputs depend on fewer.
    """
    step = lcm(stride, dilation)
    span = (kernel - 1) * dilation // step * step // stride
    last = padding // stride
    reach = reach.moved((last - span) * jump).widened(span * jump)
    if stride > 1:
        uneven = reach.uneven or kernel % stride != 0 or dilation > 1
        reach = replace(reach.coarse(distance(jump)), uneven=uneven)
    return reach, Fraction(jump) / stride


def joint_field(
    tensors: Iterable[TensorSpec],
    out: TensorSpec,
    fields: Mapping[int, Field],
    broadcast: bool = True,
) -> Field | None:
    """The field of a tensor that depends on several at each position: the union of theirs.

    None where it is not followed. `broadcast` requires the tensors to have the shape of the output
    or to broadcast to it.
    """
    joined: Field | None = None
    for tensor in tensors:
        field = fields.get(tensor.value)
        if field is None:
            continue
        if field.reason is not None:
            return unknown_field(field.reason)
        if broadcast and not broadcasts_to(tensor.shape, out.shape):
            return None
        if tensor.shape != out.shape:
            field = expanded_field(field, out)
        joined = field if joined is None else union(joined, field)
        if joined.reason is not None:
            return joined
    return joined


def expanded_field(x: Field, out: TensorSpec) -> Field:
    """The field with the dimensions of the output, those of size 1 repeated."""
    dims = (*(features(1) for _ in range(len(out.shape) - len(x.dims))), *map(merged, x.dims))
    return Field(resized(Field(dims, x.reaches), out), x.reaches)


def union(a: Field, b: Field) -> Field:
    """The field of elements that see what those of both fields see; both have the same sizes."""
    lengths = [{axis: reach.length for axis, reach in x.reaches.items()} for x in (a, b)]
    if lengths[0] != lengths[1]:
        return unknown_field("inputs of different sizes meet")
    entire = {axis for x in (a, b) for axis, reach in x.reaches.items() if reach.entire}
    a, b = (replace(x, dims=tuple(_without(dim, entire) for dim in x.dims)) for x in (a, b))
    moving: tuple[dict[int, Reach], dict[int, Reach]] = (dict(a.reaches), dict(b.reaches))
    fixed: set[tuple[int, int]] = set()  # which of the two does not move along an axis
    dims: list[Dim] = []
    for left, right in zip(a.dims, b.dims, strict=True):
        dim: list[Factor] = []
        for pair in _common_factors(merged(left), merged(right)):
            differ = pair is not None and pair[0] != pair[1]
            if pair is None or (differ and None not in (pair[0].axis, pair[1].axis)):
                return _in_smaller_steps(a, b)
            if differ and IN_A_ROW in (pair[0].axis, pair[1].axis):
                return unknown_field(DIFFERENT_STRIDES)
            number = 0 if pair[1].axis is None else 1
            factor = pair[number]
            if pair[0] != pair[1] and factor.axis is not None:
                reach = moving[number][factor.axis]
                moving[number][factor.axis] = reach.widened((factor.size - 1) * factor.jump)
                fixed.add((1 - number, factor.axis))
                factor = Factor(factor.size)
            dim.append(factor)
        dims.append(merged(dim))
    if any(not moving[n][axis].contains(moving[1 - n][axis]) for n, axis in fixed):
        return _in_smaller_steps(a, b)
    reaches = {axis: moving[0][axis].join(moving[1][axis]) for axis in a.reaches}
    return _entire_or(Field(tuple(dims), reaches))


def _in_smaller_steps(a: Field, b: Field) -> Field:
    """The union where repeated positions of one are single positions of the other."""
    for dim in range(len(a.dims)):
        if merged(a.dims[dim]) == merged(b.dims[dim]):
            continue
        left, right = with_positions(a, dim), with_positions(b, dim)
        if left is None or right is None or left[0].dims[dim] != right[0].dims[dim]:
            return unknown_field(DIFFERENT_STRIDES)
        a, b = left[0], right[0]
    reaches = {axis: reach.join(b.reaches[axis]) for axis, reach in a.reaches.items()}
    return _entire_or(Field(a.dims, reaches))


def _entire_or(x: Field) -> Field:
    """The field, that of the entire input if every axis is."""
    if x.is_in_a_row:
        return x
    return ENTIRE_FIELD if all(reach.entire for reach in x.reaches.values()) else x


def _common_factors(a: Dim, b: Dim) -> Iterator[tuple[Factor, Factor] | None]:
    """Pairs of factors of equal sizes, split where one dimension has smaller ones; None: none."""
    left, right = list(a), list(b)
    while left and right:
        one, other = left.pop(0), right.pop(0)
        if one.size > other.size and one.size % other.size == 0:
            one, inner = split(one, other.size)
            left.insert(0, inner)
        elif other.size > one.size and other.size % one.size == 0:
            other, inner = split(other, one.size)
            right.insert(0, inner)
        elif one.size != other.size:
            yield None
            return
        yield one, other
    if left or right:
        yield None


def product_field(a: Field | None, b: Field | None, out: TensorSpec) -> Field | None:
    """The field of `a` @ `b`, [*, n, k] and [*, k, m]; a factor without one is a weight.

    Each row meets all columns, so with two fields the positions of the rows remain, if any.
    """
    results = []
    for x, summed in ((a, (-1,)), (b, (-2,) if a is None else (-2, -1))):
        if x is None:
            continue
        if len(x.dims) != len(out.shape):
            return None
        mixed = combined(x, {len(x.dims) + dim for dim in summed})
        if mixed.reason is not None:
            return mixed
        results.append(expanded_field(mixed, out))
    if not results:
        return None
    return union(*results) if len(results) == 2 else results[0]
