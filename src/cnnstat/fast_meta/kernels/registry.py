"""The table of kernels, and the conditions on operands and layout that they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Kernel = Callable[..., Any]
KERNELS: dict[str, Kernel] = {}


def kernel(*names: str) -> Callable[[Kernel], Kernel]:
    def register(function: Kernel) -> Kernel:
        KERNELS.update(dict.fromkeys(names, function))
        return function

    return register


def all_float(*tensors: Any) -> bool:
    """Whether all are non-empty `meta` tensors of the same floating dtype, or None."""
    return (
        isinstance(tensors[0], Tensor)
        and tensors[0].dtype.is_floating_point
        and same_dtype(*tensors)
    )


def in_mixed_precision(x: Tensor, *parameters: Any) -> bool:
    """Whether `x` is in half precision and all its parameters are in float32, none None."""
    half = all_float(x) and x.itemsize == 2
    if not half or any(parameter is None for parameter in parameters):
        return False
    return all_float(*parameters) and parameters[0].itemsize == 4


def same_dtype(first: Tensor, *others: Any) -> bool:
    """Whether all are non-empty `meta` tensors of the same dtype, or None."""
    dtype = first.dtype
    for tensor in (first, *others):
        if tensor is None:
            continue
        if not isinstance(tensor, Tensor) or tensor.dtype is not dtype or not tensor.is_meta:
            return False
        if 0 in tensor.shape:
            return False
    return True


def empty(shape: Sequence[int], template: Tensor) -> Tensor:
    return torch.empty(tuple(shape), dtype=template.dtype, device="meta")


def suggested(shape: Sequence[int], template: Tensor) -> Tensor | None:
    """A result in the memory format of the operand; None to leave it to torch.

    Strides of dimensions of size 1 are ambiguous, so the operand's are compared literally.
    """
    if template.dim() != 4:
        return empty(shape, template) if template.is_contiguous() else None
    _, c, h, w = template.shape
    if template.stride() == (c * h * w, h * w, w, 1):
        return empty(shape, template)
    if template.stride() != (c * h * w, 1, w * c, c) or 1 in template.shape[1:]:
        return None
    return torch.empty(
        tuple(shape), dtype=template.dtype, device="meta", memory_format=torch.channels_last
    )
