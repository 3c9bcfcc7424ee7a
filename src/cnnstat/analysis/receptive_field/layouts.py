"""Operators that lay the same positions out otherwise: views, permutations, pieces."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...operators.reach import Dim, Factor, Field, lost, not_followed, resized
from ...trace.records import Op, TensorSpec


def split(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """Pieces along the channels see what the whole sees."""
    dim = op.arg(2, "dim", 0) % len(x.dims)
    if any(axis is not None for _, axis in x.dims[dim]):
        return lost(not_followed(op))
    return replace(x, dims=resized(x, out))


def selected(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """One channel, or one element of the batch, sees what all see."""
    dim = op.args[1] % len(x.dims)
    if any(axis is not None for _, axis in x.dims[dim]):
        return lost(not_followed(op))
    return replace(x, dims=(*x.dims[:dim], *x.dims[dim + 1 :]))


def permute(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    return replace(x, dims=tuple(x.dims[dim] for dim in op.args[1]))


def transpose(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    order = list(range(len(x.dims)))
    a, b = (0, 1) if op.name == "aten.t" else op.args[1:3]
    order[a], order[b] = order[b], order[a]
    return replace(x, dims=tuple(x.dims[dim] for dim in order))


def view(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """Match the factors of the old dimensions, in order, to the new sizes."""
    factors = [factor for dim in x.dims for factor in dim if factor[0] != 1]
    dims: list[Dim] = []
    for size in out.shape:
        taken: list[Factor] = []
        while size > 1:
            if not factors:
                return lost(not_followed(op))
            (length, axis), *factors = factors
            if size % length == 0:
                taken.append((length, axis))
                size //= length
            elif length % size == 0 and axis is None:
                taken.append((size, None))  # a channel dimension is split in two
                factors.insert(0, (length // size, None))
                size = 1
            else:
                return lost(not_followed(op))
        dims.append(tuple(taken) or ((1, None),))
    return replace(x, dims=tuple(dims))
