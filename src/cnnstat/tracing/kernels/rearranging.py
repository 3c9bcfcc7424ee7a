"""Operators that move data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .layout import elementwise
from .registry import alike, empty, kernel, suggested


@kernel("aten::cat")
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Any:
    if not tensors or not alike(*tensors):
        return NotImplemented
    first = tensors[0]
    if not -first.dim() <= dim < first.dim():
        return NotImplemented
    axis = dim % first.dim()
    rest = [(*t.shape[:axis], *t.shape[axis + 1 :]) for t in tensors]
    if any(t.dim() != first.dim() for t in tensors) or len(set(rest)) > 1:
        return NotImplemented
    total = sum(t.shape[axis] for t in tensors)
    shape = (*first.shape[:axis], total, *first.shape[axis + 1 :])
    if all(t.is_contiguous() for t in tensors) or first.dim() == 3:
        return empty(shape, first)
    layouts = [suggested((1,) * 4, t) for t in tensors] if first.dim() == 4 else [None]
    one_layout = all(layout is not None for layout in layouts) and not any(
        t.is_contiguous() for t in tensors
    )
    return suggested(shape, first) if one_layout else NotImplemented


@kernel("aten::stack")
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Any:
    if not tensors or not alike(*tensors):
        return NotImplemented
    first = tensors[0]
    if any(t.shape != first.shape for t in tensors) or not -first.dim() - 1 <= dim <= first.dim():
        return NotImplemented
    if first.dim() == 4 and any(t.stride() != empty(t.shape, t).stride() for t in tensors):
        return NotImplemented  # images may be stacked channels-last
    axis = dim % (first.dim() + 1)
    return empty((*first.shape[:axis], len(tensors), *first.shape[axis:]), first)


@kernel("aten::clone")
def clone(x: Tensor, *, memory_format: torch.memory_format | None = None) -> Any:
    if not alike(x):
        return NotImplemented
    if memory_format in (None, torch.preserve_format):
        return elementwise(x)
    return empty(x.shape, x) if memory_format is torch.contiguous_format else NotImplemented


@kernel("aten::roll")
def roll(x: Tensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> Any:
    if not alike(x) or not dims or len(shifts) != len(dims):
        return NotImplemented
    return empty(x.shape, x) if all(-x.dim() <= d < x.dim() for d in dims) else NotImplemented
