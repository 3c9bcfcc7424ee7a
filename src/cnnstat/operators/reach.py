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

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from math import lcm, prod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..trace.records import Op

Pixels = Fraction | int
"""A distance along an axis of the input; a fraction after an enlargement."""

ENTIRE_INPUT = "whole input"
NOT_SPATIAL = "no spatial input"
DIFFERENT_STRIDES = "branches of different strides meet"
DIFFERENT_SIZES = "windows of different sizes"
SEVERAL_MAPS = "positions of several maps in a row"


Interval = tuple["Pixels", "Pixels"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """What each position sees, where that is not the same for all but repeats.

    intervals: those of the first positions; position p sees the interval p mod their number, moved
    by `jump` for each position before it. None: a position sees nothing.
    """

    intervals: tuple[Interval | None, ...]
    jump: Pixels

    def at(self, position: int) -> Interval | None:
        interval = self.intervals[position % len(self.intervals)]
        if interval is None:
            return None
        low, high = interval
        turns = position // len(self.intervals) * len(self.intervals) * self.jump
        return low + turns, high + turns

    def join(self, other: Pattern) -> Pattern | None:
        """What positions see that see what those of both see; None for other distances."""
        if self.jump != other.jump:
            return None
        count = lcm(len(self.intervals), len(other.intervals))
        if count > MOST_INTERVALS:
            return None
        pairs = ((self.at(position), other.at(position)) for position in range(count))
        return Pattern(tuple(_hull(*pair) for pair in pairs), self.jump)

    @property
    def size(self) -> Pixels:
        return max(pair[1] - pair[0] + 1 for pair in self.intervals if pair is not None)


MOST_INTERVALS = 4096
"""Of a pattern: each transposed convolution multiplies their number by its stride."""


def _hull(a: Interval | None, b: Interval | None) -> Interval | None:
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])


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

    pattern: the exact intervals of positions after a transposed convolution whose kernel is no
    multiple of its stride, as long as only windows follow; None: those above.
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
    pattern: Pattern | None = None

    @property
    def size(self) -> Pixels:
        if self.entire:
            return self.length
        if self.pattern is not None:
            return self.pattern.size
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
        return replace(self, low=self.low + by, high=self.high + by, pattern=None)

    def widened(self, by: Pixels) -> Reach:
        """The union with the interval moved by this."""
        low, high = self.low + min(by, 0), self.high + max(by, 0)
        return replace(self, low=low, high=high, pattern=None)

    def coarse(self, grain: Pixels) -> Reach:
        """In front of positions in smaller steps than `grain`."""
        if self.entire or grain < self.grain:
            return self
        return replace(self, high=self.low + self.size - 1, grain=grain, base=self.size)

    def join(self, other: Reach, jump: Pixels | None = None) -> Reach:
        """The union, for positions that are `jump` apart in both; None: in one they do not move."""
        wider, narrower = (self, other) if self.size >= other.size else (other, self)
        return replace(
            wider,
            pattern=self._joined_pattern(other, jump),
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

    def _joined_pattern(self, other: Reach, jump: Pixels | None) -> Pattern | None:
        if self.pattern == other.pattern:
            return self.pattern
        patterns = [reach.pattern or reach._regular_pattern(jump) for reach in (self, other)]
        if patterns[0] is None or patterns[1] is None:
            return None
        return patterns[0].join(patterns[1])

    def _regular_pattern(self, jump: Pixels | None) -> Pattern | None:
        """The interval of each position, where all are of one size."""
        if jump is None or self.entire or self.uneven or self.irregular or self.grain:
            return None
        return Pattern(((self.low, self.high),), jump)

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

    def with_dim(self, dim: int, factors: Dim, reaches: Mapping[int, Reach] | None = None) -> Field:
        """The field with other factors of one dimension; with other reaches, if there are any."""
        dims = (*self.dims[:dim], factors, *self.dims[dim + 1 :])
        return replace(self, dims=dims, reaches=self.reaches if reaches is None else reaches)

    def is_along(self, dim: int) -> bool:
        """Whether positions of the input run along a dimension."""
        return any(factor.axis is not None and factor.size != 1 for factor in self.dims[dim])

    def positions(self, axis: int) -> int:
        """The number of positions along an axis of the input."""
        return prod(factor.size for dim in self.dims for factor in dim if factor.axis == axis)

    def axes_along(self, dims: Iterable[int]) -> set[int]:
        found = (factor for dim in dims for factor in self.dims[dim])
        return {f.axis for f in found if f.axis is not None and f.size != 1}

    @property
    def is_in_a_row(self) -> bool:
        """Whether it is only known what the elements see once they are combined."""
        return any(factor.axis == IN_A_ROW for dim in self.dims for factor in dim)


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
