"""Operators in which positions meet: element by element, side by side, in a sum or a product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...operators.reach import WHOLE, Dim, Field, Reach, lost, not_followed, resized
from ...trace.records import Op, TensorSpec


def elementwise(
    op: Op, x: Field, out: TensorSpec, fields: Mapping[int, Field], cat_dim: int | None = None
) -> Field:
    """Tensors of one shape (or broadcast to it) meet position by position."""
    reaches: dict[int, Reach] = {}
    dims: tuple[Dim, ...] | None = None
    for tensor in op.inputs:
        field = fields.get(tensor.value)
        if field is None:
            continue
        if field.reason is not None:
            return lost(field.reason)
        if cat_dim is None and not _broadcasts(tensor.shape, out.shape):
            return lost(not_followed(op))
        if len(tensor.shape) == len(out.shape) and dims is None:
            dims = field.dims
        for axis, reach in field.reaches.items():
            joined = reach.join(reaches[axis]) if axis in reaches else reach
            if joined is None:
                return lost("branches of different strides meet")
            reaches[axis] = joined
    if dims is None:
        return lost(not_followed(op))
    return Field(resized(Field(dims, reaches), out), reaches)


def _broadcasts(shape: tuple[int, ...], out: tuple[int, ...]) -> bool:
    return len(shape) <= len(out) and all(
        n in (1, m) for n, m in zip(reversed(shape), reversed(out), strict=False)
    )


def cat(op: Op, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field:
    dim = op.arg(1, "dim", 0) % len(out.shape)
    if x.axis_of(dim) is not None:
        return lost("positions of several maps in a row")
    return elementwise(op, x, out, fields, cat_dim=dim)


def reduce(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """A mean or sum over positions sees all of them."""
    wanted = op.arg(1, "dim")
    listed = (
        wanted if isinstance(wanted, tuple) else range(len(x.dims)) if wanted is None else [wanted]
    )
    reduced = {dim % len(x.dims) for dim in listed}
    if any(axis is not None for dim in reduced for size, axis in x.dims[dim] if size > 1):
        return lost(WHOLE)
    keep = len(out.shape) == len(x.dims)
    dims = tuple(
        ((1, None),) if dim in reduced else factors
        for dim, factors in enumerate(x.dims) if keep or dim not in reduced
    )  # fmt: skip
    return replace(x, dims=dims)
