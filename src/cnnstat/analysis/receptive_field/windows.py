"""Operators that move the positions: interpolation, padding, slices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...operators.reach import Field, resized
from ...trace.records import Op, TensorSpec


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
