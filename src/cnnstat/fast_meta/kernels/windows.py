"""Convolution, pooling and resizing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...operators.convolution import convolved
from ...operators.pooling import pooled
from ...operators.shape_rules import Misfit, per_axis
from .registry import KERNELS, all_float, empty, kernel, suggested


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
    if transposed or not all_float(x, weight, bias):
        return NotImplemented
    try:
        shape = convolved(
            x.shape, weight.shape, None if bias is None else bias.shape, stride, padding, dilation,
            transposed, output_padding, groups,
        )  # fmt: skip
    except Misfit:  # torch's error names the misfit
        return NotImplemented
    return empty(shape, x)


@kernel("aten::max_pool2d_with_indices")
def max_pool2d(
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Any:
    shape = pooled_shape(2, x, kernel, stride or kernel, padding, dilation, ceil_mode)
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
    shape = pooled_shape(dims, x, kernel, stride or kernel, padding, (1,), ceil_mode)
    result = None if shape is None else suggested(shape, x)
    return NotImplemented if result is None else result


KERNELS["aten::avg_pool2d"] = partial(_avg_pool, 2)
KERNELS["aten::avg_pool3d"] = partial(_avg_pool, 3)


def pooled_shape(
    dims: int,
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> tuple[int, ...] | None:
    """The output shape; None to leave it to torch."""
    if not all_float(x) or x.dim() != dims + 2:
        return None
    kernel, stride, padding, dilation = (
        per_axis(value, dims) for value in (kernel, stride, padding, dilation)
    )
    if len(kernel) != dims:
        return None
    try:
        return pooled(x.shape, kernel, stride, padding, dilation, ceil_mode)
    except Misfit:
        return None


@kernel("aten::upsample_bilinear2d", "aten::upsample_nearest2d")
def resize(x: Tensor, size: Sequence[int] | None, *args: Any) -> Any:
    if not all_float(x) or x.dim() != 4 or not isinstance(size, list | tuple) or len(size) != 2:
        return NotImplemented
    result = None if any(n < 1 for n in size) else suggested((*x.shape[:2], *size), x)
    return NotImplemented if result is None else result


@kernel("aten::_adaptive_avg_pool2d")
def adaptive_avg_pool2d(x: Tensor, size: Sequence[int]) -> Any:
    if not all_float(x) or x.dim() != 4 or len(size) != 2 or any(n < 1 for n in size):
        return NotImplemented
    result = suggested((*x.shape[:2], *size), x)
    return NotImplemented if result is None else result
