"""Operators that move a window or the positions: convolution, pooling, interpolation, padding."""

from __future__ import annotations

from dataclasses import replace
from math import lcm
from typing import Any

from ...operators.describe import window_of
from ...operators.reach import WHOLE, Field, Reach, lost, not_followed, resized
from ...trace.records import Op, TensorSpec


def slide(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """Convolution and pooling: a window slides over the last dimensions."""
    if op.name == "aten.convolution" and op.args[6]:
        return _transposed(op, x, out)
    window = window_of([op])
    if window is None or len(x.dims) < len(window.kernel):
        return lost(not_followed(op))
    reaches = dict(x.reaches)
    offset = len(out.shape) - len(window.kernel)
    if any(x.is_mixed(dim) for dim in range(offset, len(out.shape))):
        return lost(not_followed(op))
    for i, (k, s, p, d) in enumerate(
        zip(window.kernel, window.stride, window.padding, window.dilation, strict=True)
    ):
        axis = x.axis_of(offset + i)
        if axis is not None:
            reaches[axis] = reaches[axis].slide(k, s, p, d)
    return Field(resized(x, out), reaches)


def _transposed(op: Op, x: Field, out: TensorSpec) -> Field:
    """Output p of a transposed convolution meets the inputs i with i·s + t·d = p + padding.

    Of the taps t those meet one output whose distance is a multiple of the stride: the widest span
    of them is ⌊(k-1)·d / lcm(s,d)⌋ · lcm(s,d) / s inputs. Where s > 1, some outputs see less.
    """
    window = window_of([op])
    assert window is not None
    reaches = dict(x.reaches)
    sizes = zip(window.kernel, window.stride, window.padding, window.dilation, strict=True)
    for i, (k, s, p, d) in enumerate(sizes):
        axis = x.axis_of(len(out.shape) - len(window.kernel) + i)
        if axis is not None:
            step = lcm(s, d)
            span = (k - 1) * d // step * step // s
            reach, last = reaches[axis], p // s
            reaches[axis] = Reach(
                reach.low + (last - span) * reach.jump,
                reach.high + last * reach.jump,
                reach.jump / s,
            )
    return Field(resized(x, out), reaches)


def resize(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """Interpolation reads 1, 2 or 4 neighbours and moves in smaller steps."""
    neighbours = 4 if "bicubic" in op.name else 1 if "nearest" in op.name else 2
    reaches = dict(x.reaches)
    for dim in range(2, len(out.shape)):
        axis = x.axis_of(dim)
        if axis is not None:
            before = op.inputs[0].shape[dim]
            reach = reaches[axis].slide(neighbours, 1, 0, 1)
            reaches[axis] = replace(reach, jump=reach.jump * before / out.shape[dim])
    return Field(resized(x, out), reaches)


def adaptive(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """An adaptive pool to 1 sees everything; to a divisor it is a plain pool."""
    dims = len(op.args[1])
    reaches = dict(x.reaches)
    for dim in range(len(out.shape) - dims, len(out.shape)):
        before, after, axis = op.inputs[0].shape[dim], out.shape[dim], x.axis_of(dim)
        if axis is None:
            continue
        if after == 1 and before > 1:
            return lost(WHOLE)
        if not after or before % after:
            return lost(not_followed(op))
        reaches[axis] = reaches[axis].slide(before // after, before // after, 0, 1)
    return Field(resized(x, out), reaches)


def pad(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """Padding in front moves position 0 to the left of the input."""
    reaches = dict(x.reaches)
    for i in range(len(op.args[1]) // 2):
        axis = x.axis_of(len(out.shape) - 1 - i)
        if axis is not None:
            reaches[axis] = reaches[axis].slide(1, 1, op.args[1][2 * i], 1)
    return Field(resized(x, out), reaches)


def sliced(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    dim, start, step = op.arg(1, "dim", 0), op.arg(2, "start") or 0, op.arg(4, "step", 1)
    dim %= len(x.dims)
    reaches = dict(x.reaches)
    axis = x.axis_of(dim)
    if axis is not None:
        if start < 0:
            start += op.inputs[0].shape[dim]
        reaches[axis] = reaches[axis].slide(1, 1, -start, 1)
        reaches[axis] = replace(reaches[axis], jump=step * reaches[axis].jump)
    return Field(resized(x, out), reaches)
