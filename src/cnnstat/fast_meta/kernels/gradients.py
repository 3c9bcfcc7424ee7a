"""Gradients: each has the shape of its operand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .layout import elementwise
from .registry import all_float, empty, in_mixed_precision, kernel
from .windows import convolution, pooled_shape


def _same_layout(gradient: Tensor, x: Tensor) -> bool:
    """Whether both have the same dtype and shape, and are contiguous."""
    plain = gradient.is_contiguous() and x.is_contiguous()
    return all_float(gradient, x) and gradient.shape == x.shape and plain


@kernel("aten::threshold_backward", "aten::silu_backward", "aten::mish_backward",
        "aten::sigmoid_backward", "aten::tanh_backward", "aten::hardtanh_backward",
        "aten::hardswish_backward", "aten::hardsigmoid_backward",
        "aten::leaky_relu_backward")  # fmt: skip
def unary_backward(gradient: Tensor, x: Tensor, *args: Any) -> Any:
    fits = all_float(gradient, x) and gradient.shape == x.shape and gradient.stride() == x.stride()
    return elementwise(gradient, x) if fits else NotImplemented


@kernel("aten::gelu_backward")
def gelu_backward(gradient: Tensor, x: Tensor, *, approximate: str = "none") -> Any:
    return unary_backward(gradient, x) if approximate in ("none", "tanh") else NotImplemented


@kernel("aten::_softmax_backward_data", "aten::_log_softmax_backward_data")
def softmax_backward(gradient: Tensor, y: Tensor, dim: int, dtype: torch.dtype) -> Any:
    if not _same_layout(gradient, y) or dtype is not y.dtype or not -y.dim() <= dim < y.dim():
        return NotImplemented
    return empty(y.shape, y)


@kernel("aten::convolution_backward")
def convolution_backward(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[int] | None,
    *geometry_and_mask: Any,
) -> Any:
    *geometry, mask = geometry_and_mask
    output = convolution(x, weight, None, *geometry)
    if output is NotImplemented or not (x.is_contiguous() and weight.is_contiguous()):
        return NotImplemented
    if not _same_layout(gradient, output):
        return NotImplemented
    shapes = (x.shape, weight.shape, weight.shape[:1])
    return _gradients(shapes, mask, x)


@kernel("aten::native_batch_norm_backward")
def native_batch_norm_backward(
    gradient: Tensor, x: Tensor, weight: Tensor | None, *args: Any
) -> Any:
    if not _same_layout(gradient, x) or x.dim() < 2:
        return NotImplemented
    if weight is not None and weight.shape == x.shape[1:2] and in_mixed_precision(x, weight):
        gradients = _gradients((x.shape, weight.shape, weight.shape), args[-1], weight)
        return (empty(x.shape, x) if args[-1][0] else None, *gradients[1:])
    # In half precision statistics, and so their gradients, have another dtype.
    if x.itemsize < 4:
        return NotImplemented
    if weight is not None and (not all_float(x, weight) or weight.shape != x.shape[1:2]):
        return NotImplemented
    return _gradients((x.shape, x.shape[1:2], x.shape[1:2]), args[-1], x)


@kernel("aten::native_layer_norm_backward")
def native_layer_norm_backward(
    gradient: Tensor,
    x: Tensor,
    shape: Sequence[int],
    mean: Tensor,
    rstd: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mask: Sequence[bool],
) -> Any:
    shape = tuple(shape)
    if not _same_layout(gradient, x) or x.itemsize < 4 or not shape:
        return NotImplemented
    if tuple(x.shape[x.dim() - len(shape) :]) != shape or not all_float(x, weight, bias):
        return NotImplemented
    if any(t is not None and tuple(t.shape) != shape for t in (weight, bias)):
        return NotImplemented
    return _gradients((x.shape, shape, shape), mask, x)


def _gradients(
    shapes: Sequence[Sequence[int]], mask: Sequence[bool], template: Tensor
) -> tuple[Tensor | None, ...]:
    """The gradients of input, weight and bias; None where the mask is False."""
    return tuple(
        empty(shape, template) if needed else None
        for shape, needed in zip(shapes, mask, strict=True)
    )


@kernel("aten::max_pool2d_with_indices_backward")
def max_pool2d_backward(
    gradient: Tensor,
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
    indices: Tensor,
) -> Any:
    shape = pooled_shape(2, x, kernel, stride or kernel, padding, dilation, ceil_mode)
    plain = x.is_contiguous() and gradient.is_contiguous()
    fits = (
        plain and all_float(gradient, x) and shape == tuple(gradient.shape) == tuple(indices.shape)
    )
    return empty(x.shape, x) if fits else NotImplemented


@kernel("aten::avg_pool2d_backward")
def avg_pool2d_backward(
    gradient: Tensor,
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    shape = pooled_shape(2, x, kernel, stride or kernel, padding, (1,), ceil_mode)
    plain = x.is_contiguous() and gradient.is_contiguous()
    fits = (
        plain
        and all_float(gradient, x)
        and shape == tuple(gradient.shape)
        and divisor_override != 0
    )
    return empty(x.shape, x) if fits else NotImplemented


@kernel("aten::select_backward", "aten::slice_backward")
def part_backward(gradient: Tensor, sizes: Sequence[int], dim: int, *part: Any) -> Any:
    """The gradient of a slice: zero elsewhere."""
    fits = all_float(gradient) and -len(sizes) <= dim < len(sizes)
    return empty(sizes, gradient) if fits else NotImplemented


@kernel("aten::embedding_dense_backward")
def embedding_backward(
    gradient: Tensor, indices: Tensor, rows: int, padding: int, by_frequency: bool
) -> Any:
    fits = all_float(gradient) and indices.is_meta and indices.dtype is torch.int64
    if not fits or gradient.shape[:-1] != indices.shape:
        return NotImplemented
    return empty((rows, gradient.shape[-1]), gradient)
