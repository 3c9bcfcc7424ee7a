"""Convolution, pooling and resizing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .registry import KERNELS, alike, empty, kernel, suggested


@kernel("aten::convolution")
def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Any:
    """out = ⌊(in + 2·padding - dilation·(kernel - 1) - 1) / stride⌋ + 1, per spatial dimension."""
    kernel = weight.shape[2:]
    dims = len(kernel)
    fits = (
        not transposed
        and alike(x, weight, bias)
        and x.dim() == weight.dim() == dims + 2
        and len(stride) == len(padding) == len(dilation) == dims
        and min(stride) > 0
        and min(padding) >= 0
        and min(dilation) > 0
        and groups > 0
        and x.shape[1] == weight.shape[1] * groups
        and weight.shape[0] % groups == 0
        and (bias is None or bias.shape == weight.shape[:1])
    )
    if not fits:
        return NotImplemented
    sizes = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    ]
    if any(size < 1 for size in sizes):
        return NotImplemented
    return empty((x.shape[0], weight.shape[0], *sizes), x)


@kernel("aten::max_pool2d_with_indices")
def max_pool2d(
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Any:
    shape = pooled(2, x, kernel, stride or kernel, padding, dilation, ceil_mode)
    result = None if shape is None else suggested(shape, x)
    return NotImplemented if result is None else (result, result.to(torch.int64))


def _avg_pool(
    dims: int,
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    if divisor_override == 0:
        return NotImplemented
    shape = pooled(dims, x, kernel, stride or kernel, padding, (1,), ceil_mode)
    result = None if shape is None else suggested(shape, x)
    return NotImplemented if result is None else result


KERNELS["aten::avg_pool2d"] = partial(_avg_pool, 2)
KERNELS["aten::avg_pool3d"] = partial(_avg_pool, 3)


def pooled(
    dims: int,
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> tuple[int, ...] | None:
    """As a convolution; with `ceil_mode` rounded up, unless a window would start in the padding."""
    given = (kernel, stride, padding, dilation)
    if not alike(x) or x.dim() != dims + 2:
        return None
    if any(len(value) not in (1, dims) for value in given):
        return None
    sizes = []
    window = (tuple(value) * dims if len(value) == 1 else tuple(value) for value in given)
    for n, k, s, p, d in zip(x.shape[2:], *window, strict=True):
        if k < 1 or s < 1 or d < 1 or not 0 <= 2 * p <= k:
            return None
        span = n + 2 * p - d * (k - 1) - 1
        size = (span + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (size - 1) * s >= n + p:
            size -= 1
        sizes.append(size)
    return None if any(size < 1 for size in sizes) else (*x.shape[:2], *sizes)


@kernel("aten::upsample_bilinear2d", "aten::upsample_nearest2d")
def resize(x: Tensor, size: Sequence[int] | None, *args: Any) -> Any:
    if not alike(x) or x.dim() != 4 or not isinstance(size, list | tuple) or len(size) != 2:
        return NotImplemented
    result = None if any(n < 1 for n in size) else suggested((*x.shape[:2], *size), x)
    return NotImplemented if result is None else result


@kernel("aten::_adaptive_avg_pool2d")
def adaptive_avg_pool2d(x: Tensor, size: Sequence[int]) -> Any:
    if not alike(x) or x.dim() != 4 or len(size) != 2 or any(n < 1 for n in size):
        return NotImplemented
    result = suggested((*x.shape[:2], *size), x)
    return NotImplemented if result is None else result
