"""Receptive fields of tensors: the values that `analysis/receptive_field.py` computes with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import lcm
from typing import TYPE_CHECKING

from .shape_rules import broadcasts_to

if TYPE_CHECKING:
    from ..trace.records import Op, TensorSpec
    from .shape_rules import Window

ENTIRE_INPUT = "whole input"
NOT_SPATIAL = "no spatial input"


@dataclass(frozen=True, slots=True)
class Reach:
    """The field of position 0 along one input axis, and the distance to that of position 1."""

    low: Fraction
    high: Fraction
    jump: Fraction

    def slide(self, kernel: int, stride: int, padding: int, dilation: int) -> Reach:
        low = self.low - padding * self.jump
        high = self.high + ((kernel - 1) * dilation - padding) * self.jump
        return Reach(low, high, stride * self.jump)

    def slide_transposed(self, kernel: int, stride: int, padding: int, dilation: int) -> Reach:
        """Output p of a transposed convolution reads the inputs i with i·s + t·d = p + padding.

        The taps t that contribute to one output are a multiple of the stride apart: they span at
        most ⌊(k-1)·d / lcm(s,d)⌋ · lcm(s,d) / s inputs. Where s > 1, some outputs depend on fewer.
        """
        step = lcm(stride, dilation)
        span = (kernel - 1) * dilation // step * step // stride
        last = padding // stride
        low, high = self.low + (last - span) * self.jump, self.high + last * self.jump
        return Reach(low, high, self.jump / stride)

    def join(self, other: Reach) -> Reach | None:
        """The union; None where the strides differ."""
        if self.jump != other.jump:
            return None
        return Reach(min(self.low, other.low), max(self.high, other.high), self.jump)


Factor = tuple[int, int | None]  # size, input axis
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
        return tuple(_plain(r.high - r.low + 1) for _, r in sorted(self.reaches.items()))

    @property
    def stride(self) -> tuple[float, ...] | None:
        if self.reason is not None:
            return None
        return tuple(_plain(r.jump) for _, r in sorted(self.reaches.items()))

    def axis_of(self, dim: int) -> int | None:
        """The input axis that runs along a dimension, if exactly one does."""
        axes = [axis for _, axis in self.dims[dim] if axis is not None]
        return axes[0] if len(axes) == 1 else None

    def is_mixed(self, dim: int) -> bool:
        """Whether positions share a dimension with something else: no window slides on it."""
        factors = [axis for size, axis in self.dims[dim] if size > 1]
        return len(factors) > 1 and any(axis is not None for axis in factors)


NO_FIELD = Field((), {}, NOT_SPATIAL)


def _plain(number: Fraction) -> float:
    return int(number) if number.denominator == 1 else float(number)


@cache
def unknown_field(reason: str) -> Field:
    return Field((), {}, reason)


def not_followed(op: Op) -> str:
    return f"not followed through {op.name.removeprefix('aten.')}"


def resized(x: Field, out: TensorSpec) -> tuple[Dim, ...]:
    """The dimensions of `x` with the sizes of the output; a merged dimension keeps its factors."""
    return tuple(
        factors if len(factors) > 1 else ((size, factors[0][1]),)
        for factors, size in zip(x.dims, out.shape, strict=False)
    )


def windowed_field(
    window: Window, x: Field, out: TensorSpec, transposed: bool = False
) -> Field | None:
    """The field after a window over the last dimensions; None where it is not followed."""
    offset = len(out.shape) - len(window.kernel)
    if offset < 0 or len(x.dims) != len(out.shape):
        return None
    if any(x.is_mixed(dim) for dim in range(offset, len(x.dims))):
        return None
    slide = Reach.slide_transposed if transposed else Reach.slide
    reaches = dict(x.reaches)
    sizes = zip(window.kernel, window.stride, window.padding, window.dilation, strict=True)
    for dim, size in enumerate(sizes, offset):
        axis = x.axis_of(dim)
        if axis is not None:
            reaches[axis] = slide(reaches[axis], *size)
    return Field(resized(x, out), reaches)


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
    reaches: dict[int, Reach] = {}
    dims: tuple[Dim, ...] | None = None
    for tensor in tensors:
        field = fields.get(tensor.value)
        if field is None:
            continue
        if field.reason is not None:
            return unknown_field(field.reason)
        if broadcast and not broadcasts_to(tensor.shape, out.shape):
            return None
        if len(tensor.shape) == len(out.shape) and dims is None:
            dims = field.dims
        for axis, reach in field.reaches.items():
            union = reach.join(reaches[axis]) if axis in reaches else reach
            if union is None:
                return unknown_field("branches of different strides meet")
            reaches[axis] = union
    return None if dims is None else Field(resized(Field(dims, reaches), out), reaches)
