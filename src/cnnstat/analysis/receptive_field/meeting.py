"""Operators in which positions meet: element by element, in a sum or a product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...operators.reach import WHOLE, Field, lost, met, not_followed
from ...trace.records import Op, TensorSpec


def elementwise(op: Op, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field:
    """Tensors of one shape (or broadcast to it) meet position by position."""
    return met(op.inputs, out, fields) or lost(not_followed(op))


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
