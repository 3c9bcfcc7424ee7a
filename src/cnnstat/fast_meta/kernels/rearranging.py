"""Operators that move data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...operators.joins import concatenated, stacked
from ...operators.parts import padded
from ...operators.sequences import looked_up
from ...operators.shape_rules import Misfit
from .layout import elementwise
from .registry import all_float, empty, kernel, same_dtype, suggested

_OF_NUMBERS = (torch.int64, torch.int32, torch.float32)


@kernel("aten::cat")
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Any:
    if not tensors or not same_dtype(*tensors):
        return NotImplemented
    try:
        shape = concatenated([t.shape for t in tensors], dim)
    except Misfit:  # torch's error is better
        return NotImplemented
    first = tensors[0]
    if first.dim() not in (4, 5) or any(t.stride(-1) < t.stride(1) for t in tensors):
        return empty(shape, first)  # one operand that is certainly not channels-last decides
    if first.dim() == 5 or any(suggested(t.shape, t) is None for t in tensors):
        return NotImplemented
    return suggested(shape, first)


@kernel("aten::tril", "aten::triu")
def triangle(x: Tensor, diagonal: int = 0) -> Any:
    if not x.is_meta or x.dim() < 2 or not x.is_contiguous():
        return NotImplemented
    return torch.empty(tuple(x.shape), dtype=x.dtype, device="meta")


@kernel("aten::stack")
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Any:
    if not tensors or not same_dtype(*tensors):
        return NotImplemented
    try:
        shape = stacked([t.shape for t in tensors], dim)
    except Misfit:
        return NotImplemented
    first = tensors[0]
    if first.dim() in (4, 5) and any(t.stride() != empty(t.shape, t).stride() for t in tensors):
        return NotImplemented  # images and volumes may be stacked channels-last
    return empty(shape, first)


@kernel("aten::clone")
def clone(x: Tensor, *, memory_format: torch.memory_format | None = None) -> Any:
    if not same_dtype(x):
        return NotImplemented
    if memory_format in (None, torch.preserve_format):
        return elementwise(x)
    return empty(x.shape, x) if memory_format is torch.contiguous_format else NotImplemented


@kernel("aten::constant_pad_nd")
def constant_pad_nd(x: Tensor, pad: Sequence[int], value: Any = 0) -> Any:
    plain = all_float(x) and x.is_contiguous() and 1 not in x.shape[1:]
    if not plain or min(pad, default=0) < 0:  # cropping, which records conditions on symbolic sizes
        return NotImplemented
    try:
        shape = padded(x.shape, pad)
    except Misfit:
        return NotImplemented
    return NotImplemented if 0 in shape else empty(shape, x)


@kernel("aten::roll")
def roll(x: Tensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> Any:
    if not same_dtype(x) or not dims or len(shifts) != len(dims):
        return NotImplemented
    return empty(x.shape, x) if all(-x.dim() <= d < x.dim() for d in dims) else NotImplemented


@kernel("aten::embedding")
def embedding(table: Tensor, indices: Tensor, *args: Any) -> Any:
    if not all_float(table) or table.dim() != 2 or not _positions(indices):
        return NotImplemented
    return empty(looked_up(table.shape, indices.shape), table)


@kernel("aten::gather")
def gather(x: Tensor, dim: int, indices: Tensor, **kwargs: Any) -> Any:
    fits = same_dtype(x) and _positions(indices) and x.dim() == indices.dim() > 0
    if not fits or not -x.dim() <= dim < x.dim():
        return NotImplemented
    axis = dim % x.dim()
    sizes = zip(indices.shape, x.shape, strict=True)
    if any(n > size for d, (n, size) in enumerate(sizes) if d != axis):
        return NotImplemented
    return empty(indices.shape, x)


@kernel("aten::repeat")
def repeat(x: Tensor, repeats: Sequence[int]) -> Any:
    if not same_dtype(x) or len(repeats) < x.dim() or any(times < 1 for times in repeats):
        return NotImplemented
    shape = (*[1] * (len(repeats) - x.dim()), *x.shape)
    return empty([n * times for n, times in zip(shape, repeats, strict=True)], x)


@kernel("aten::arange")
def arange(end: Any, **kwargs: Any) -> Any:
    return arange_from(0, end, **kwargs)


@kernel("aten::arange.start")
def arange_from(start: Any, end: Any, **kwargs: Any) -> Any:
    dtype = kwargs.get("dtype") or torch.int64  # the default for integers
    is_integer = type(start) is int and type(end) is int and dtype in _OF_NUMBERS
    if not is_integer or str(kwargs.get("device")) != "meta" or end < start:
        return NotImplemented
    return torch.empty(end - start, dtype=dtype, device="meta")


def index(x: Tensor, indices: Sequence[Tensor | None]) -> Any:
    """Rows of a tensor: `x[indices]`."""
    if len(indices) != 1 or not all_float(x) or not x.is_contiguous() or x.dim() == 0:
        return NotImplemented
    (rows,) = indices
    if rows is None or not _positions(rows) or rows.dim() == 0:
        return NotImplemented
    return empty((*rows.shape, *x.shape[1:]), x)


def _positions(indices: Tensor) -> bool:
    return indices.is_meta and indices.dtype is torch.int64 and 0 not in indices.shape
