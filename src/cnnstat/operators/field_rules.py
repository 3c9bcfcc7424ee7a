"""The receptive fields behind the kinds of operators: windows, several operands, products."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from math import gcd, lcm
from typing import TYPE_CHECKING

from .field_algebra import (
    combined,
    expanded_field,
    features,
    resized,
    stepped,
    union,
    with_positions,
)
from .reach import (
    DIFFERENT_SIZES,
    MOST_INTERVALS,
    Field,
    Interval,
    Pattern,
    Pixels,
    Reach,
    distance,
    unknown_field,
)
from .shape_rules import broadcasts_to

if TYPE_CHECKING:
    from ..trace.records import TensorSpec
    from .shape_rules import Window


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
            field = field.with_dim(dim, features(out.shape[dim]))
            continue
        before, jump = field.reaches[axis], field.dims[dim][0].jump
        sizes_along = (kernel, stride, padding, dilation)
        pattern = _pattern_after(before, jump, sizes_along, transposed)
        if transposed:
            reach, jump = _transposed(before, jump, *sizes_along)
        else:
            reach = before.moved(-padding * jump).widened((kernel - 1) * dilation * jump)
            jump = stride * jump
        # A stride may choose positions of which none sees the largest interval.
        if before.irregular or not reach.is_exact or (before.uneven and stride > 1):
            if pattern is None:
                return unknown_field(DIFFERENT_SIZES)
            reach = replace(reach, irregular=True)
        reach = replace(reach, pattern=pattern)
        field = stepped(field, dim, out.shape[dim], reach, jump)
    return Field(resized(field, out), field.reaches)


def _pattern_after(
    reach: Reach, jump: Pixels, sizes: tuple[int, int, int, int], transposed: bool
) -> Pattern | None:
    """What each position sees after a window with these (kernel, stride, padding, dilation).

    None where all positions see intervals of one size, or where it is not known.
    """
    kernel, stride, padding, dilation = sizes
    if reach.pattern is not None:
        before = reach.pattern if reach.pattern.jump == jump else None
    elif reach.uneven or reach.irregular or reach.grain:
        before = None
    else:
        before = Pattern(((reach.low, reach.high),), jump)
    if before is None or reach.entire or not isinstance(kernel, int):
        return None
    period = len(before.intervals)
    period = period * stride if transposed else period // gcd(period, stride)
    if period * kernel > MOST_INTERVALS:
        return None
    intervals: list[Interval | None] = []
    for position in range(period):
        if transposed:  # inputs i with i·stride + tap·dilation = position + padding
            places = [position + padding - tap * dilation for tap in range(kernel)]
            inputs = [place // stride for place in places if place % stride == 0]
        else:
            first = position * stride - padding
            inputs = [first + tap * dilation for tap in range(kernel)]
        observed = [interval for i in inputs if (interval := before.at(i)) is not None]
        lows, highs = [low for low, _ in observed], [high for _, high in observed]
        intervals.append((min(lows), max(highs)) if observed else None)
    after = Fraction(jump) / stride if transposed else jump * stride
    lengths = {None if pair is None else pair[1] - pair[0] for pair in intervals}
    if lengths == {None} or (reach.pattern is None and len(lengths) == 1):
        return None
    return Pattern(tuple(intervals), after)


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


def reduced_field(x: Field, dims: Collection[int], keepdim: bool = True) -> Field:
    """The field of a mean, sum or maximum along these dimensions, of all their positions."""
    field = combined(x, dims, keepdim)
    if field.reason is None and keepdim:
        for dim in dims:
            field = field.with_dim(dim, features(1))
    return field


def along_features(x: Field, out: TensorSpec, *dims: int) -> Field | None:
    """Elements change places or are combined along dimensions without positions, else None."""
    if len(x.dims) != len(out.shape) or any(x.is_along(dim % len(x.dims)) for dim in dims):
        return None
    return Field(resized(x, out), x.reaches)
