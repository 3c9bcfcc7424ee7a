"""The table of kernels, and what they are written for."""

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


def alike(*tensors: Any) -> bool:
    """Meta tensors of one floating dtype that are not empty. None stands for a missing operand."""
    return (
        isinstance(tensors[0], Tensor)
        and tensors[0].dtype.is_floating_point
        and of_one_dtype(*tensors)
    )


def in_mixed_precision(x: Tensor, *parameters: Any) -> bool:
    """Activations in half precision, and parameters of theirs in float32, none missing."""
    half = alike(x) and x.itemsize == 2
    if not half or any(parameter is None for parameter in parameters):
        return False
    return alike(*parameters) and parameters[0].itemsize == 4


def of_one_dtype(first: Tensor, *others: Any) -> bool:
    """Meta tensors of one dtype that are not empty. None stands for a missing operand."""
    dtype = first.dtype
    for tensor in (first, *others):
        if tensor is None:
            continue
        if not isinstance(tensor, Tensor) or tensor.dtype is not dtype or not tensor.is_meta:
            return False
        if 0 in tensor.shape:
            return False
    return True


def empty(shape: Sequence[int], like: Tensor) -> Tensor:
    return torch.empty(tuple(shape), dtype=like.dtype, device="meta")


def suggested(shape: Sequence[int], like: Tensor) -> Tensor | None:
    """Channels-last where the operand is, else contiguous; None where torch is to decide.

    The strides of single positions tell nothing, so the operand's are compared as they are.
    """
    if like.dim() != 4:
        return empty(shape, like) if like.is_contiguous() else None
    _, c, h, w = like.shape
    if like.stride() == (c * h * w, h * w, w, 1):
        return empty(shape, like)
    if like.stride() != (c * h * w, 1, w * c, c) or 1 in like.shape[1:]:
        return None
    return torch.empty(
        tuple(shape), dtype=like.dtype, device="meta", memory_format=torch.channels_last
    )
