"""The layout of the result of an elementwise operator, by the rule of torch's TensorIterator.

Dimensions keep the order of the operands' strides, so channels-last is preserved; the result is
dense. (ATen/TensorIterator.cpp, reorder_dimensions and allocate_or_resize_outputs.)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...operators.shape_rules import Misfit, broadcast


def elementwise(*tensors: Tensor, dtype: torch.dtype | None = None) -> Tensor | None:
    """The empty result of an operator on tensors; None if they do not broadcast.

    `dtype` defaults to that of the first tensor.
    """
    first = tensors[0]
    dtype = dtype or first.dtype
    if all(t.shape == first.shape for t in tensors):
        shape: tuple[int, ...] = first.shape
        if all(t.is_contiguous() for t in tensors):
            return torch.empty(shape, dtype=dtype, device="meta")
    else:
        try:
            shape = broadcast([tensor.shape for tensor in tensors])
        except Misfit:
            return None
    order = _order(shape, [_strides(tensor, shape) for tensor in tensors])
    strides = [0] * len(shape)
    step = 1
    for dim in order:
        strides[dim] = step
        step *= max(shape[dim], 1)
    return torch.empty_strided(shape, strides, dtype=dtype, device="meta")


def keeps_shape(x: Tensor, other: Tensor) -> bool:
    """Whether `other` can be broadcast to `x`."""
    try:
        return broadcast([x.shape, other.shape]) == tuple(x.shape)
    except Misfit:
        return False


def _strides(tensor: Tensor, shape: Sequence[int]) -> list[int]:
    """The tensor's strides after `expand`: 0 where it repeats."""
    missing = len(shape) - tensor.dim()
    sizes = zip(tensor.shape, tensor.stride(), shape[missing:], strict=True)
    strides = [0 if n == 1 and m != 1 else step for n, step, m in sizes]
    for dim in reversed(range(missing)):
        step = shape[dim + 1] * strides[0] if strides else 1
        strides.insert(0, step if shape[dim] == 1 else 0)
    return strides


def _order(shape: Sequence[int], strides: Sequence[Sequence[int]]) -> list[int]:
    """The dimensions from the fastest to the slowest.

    It is torch's insertion sort: two dimensions may be incomparable, so the algorithm matters.
    """
    order = list(reversed(range(len(shape))))
    for i in range(1, len(order)):
        at = i
        for before in range(i - 1, -1, -1):
            compared = _compare(order[before], order[at], shape, strides)
            if compared > 0:
                order[before], order[at] = order[at], order[before]
                at = before
            elif compared < 0:
                break
    return order


def _compare(a: int, b: int, shape: Sequence[int], strides: Sequence[Sequence[int]]) -> int:
    for steps in strides:
        if steps[a] == 0 or steps[b] == 0:
            continue
        if steps[a] != steps[b]:
            return -1 if steps[a] < steps[b] else 1
        if shape[a] > shape[b]:
            return 1
    return 0
