"""Elementwise operators."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .layout import elementwise, keeps_shape
from .registry import all_float, kernel, same_dtype

_NUMBERS = (int, float)
_INTEGERS = (torch.int64, torch.int32)


@kernel("aten::relu", "aten::sigmoid", "aten::tanh", "aten::silu", "aten::mish", "aten::elu",
        "aten::hardtanh", "aten::hardswish", "aten::hardsigmoid", "aten::leaky_relu",
        "aten::softplus", "aten::neg", "aten::exp", "aten::log", "aten::sqrt", "aten::rsqrt",
        "aten::sin", "aten::cos", "aten::erf", "aten::sign", "aten::floor", "aten::ceil",
        "aten::round", "aten::reciprocal", "aten::log2")  # fmt: skip
def unary(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    return elementwise(x) if all_float(x) else NotImplemented


@kernel("aten::abs")
def absolute(x: Tensor) -> Any:
    return elementwise(x) if all_float(x) or _is_integer(x) else NotImplemented


@kernel("aten::clamp")
def clamp(x: Tensor, low: Any = None, high: Any = None) -> Any:
    limits = [limit for limit in (low, high) if limit is not None]
    if not limits or not all(isinstance(limit, _NUMBERS) for limit in limits):
        return NotImplemented
    return elementwise(x) if all_float(x) else NotImplemented


@kernel("aten::gelu")
def gelu(x: Tensor, *, approximate: str = "none") -> Any:
    return elementwise(x) if approximate in ("none", "tanh") and all_float(x) else NotImplemented


@kernel("aten::clamp_min", "aten::clamp_max", "aten::pow.Tensor_Scalar", "aten::mul.Scalar",
        "aten::add.Scalar", "aten::sub.Scalar", "aten::div.Scalar",
        "aten::rsub.Scalar")  # fmt: skip
def with_number(x: Tensor, number: Any, *args: Any) -> Any:
    return elementwise(x) if isinstance(number, _NUMBERS) and all_float(x) else NotImplemented


@kernel("aten::relu_", "aten::sigmoid_", "aten::tanh_", "aten::silu_", "aten::hardtanh_",
        "aten::hardswish_", "aten::leaky_relu_")  # fmt: skip
def unary_in_place(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    return x if all_float(x) and writable(x) else NotImplemented


@kernel("aten::pow.Scalar")
def power_of_number(number: Any, x: Tensor) -> Any:
    return with_number(x, number)


@kernel("aten::minimum", "aten::maximum")
def extreme(x: Tensor, other: Tensor) -> Any:
    return sum_or_product(x, other)


@kernel("aten::add.Tensor", "aten::sub.Tensor", "aten::mul.Tensor")
def sum_or_product(x: Tensor, other: Any, **kwargs: Any) -> Any:
    if not _is_integer(x):
        return binary(x, other, **kwargs)
    if type(other) is int:  # integers stay integers: positions and indices
        return elementwise(x)
    if not isinstance(other, Tensor) or not same_dtype(x, other):
        return NotImplemented
    result = elementwise(x, other)
    return NotImplemented if result is None else result


@kernel("aten::eq.Scalar", "aten::ne.Scalar", "aten::lt.Scalar", "aten::le.Scalar",
        "aten::gt.Scalar", "aten::ge.Scalar")  # fmt: skip
def comparison(x: Tensor, number: Any) -> Any:
    if not (type(number) is int and _is_integer(x)) and (
        not isinstance(number, _NUMBERS) or not all_float(x)
    ):
        return NotImplemented
    return elementwise(x, dtype=torch.bool)


@kernel("aten::full_like")
def full_like(x: Tensor, number: Any, **kwargs: Any) -> Any:
    fits = isinstance(number, _NUMBERS) and (all_float(x) or _is_integer(x))
    return elementwise(x) if fits and not any(kwargs.values()) else NotImplemented


@kernel("aten::masked_fill.Scalar")
def masked_fill(x: Tensor, mask: Tensor, number: Any) -> Any:
    fits = all_float(x) and x.is_contiguous() and isinstance(number, _NUMBERS) and mask.is_meta
    if not fits or mask.dtype is not torch.bool or not mask.is_contiguous():
        return NotImplemented
    return elementwise(x) if keeps_shape(x, mask) else NotImplemented


@kernel("aten::div.Tensor")
def binary(x: Tensor, other: Any, **kwargs: Any) -> Any:
    if isinstance(other, _NUMBERS) and all_float(x):
        return elementwise(x)
    if not all_float(x, other):
        return NotImplemented
    result = elementwise(x, other)
    return NotImplemented if result is None else result


@kernel("aten::div.Tensor_mode")
def rounded_quotient(x: Tensor, other: Any, *, rounding_mode: str | None) -> Any:
    return binary(x, other) if rounding_mode in ("floor", "trunc") else NotImplemented


@kernel("aten::where.self")
def where(condition: Tensor, x: Tensor, y: Tensor) -> Any:
    fits = all_float(x, y) or (_is_integer(x) and same_dtype(x, y))
    if not fits or not condition.is_meta or condition.dtype is not torch.bool:
        return NotImplemented
    result = elementwise(condition, x, y, dtype=x.dtype)
    return NotImplemented if result is None or 0 in condition.shape else result


@kernel("aten::add_.Tensor", "aten::mul_.Tensor")
def binary_in_place(x: Tensor, other: Any, **kwargs: Any) -> Any:
    if type(other) is int and x.is_meta and x.dtype is torch.int64:
        return x  # a batch norm in training counts its batches
    return float_in_place(x, other)


@kernel("aten::sub_.Tensor", "aten::div_.Tensor", "aten::add_.Scalar", "aten::sub_.Scalar",
        "aten::mul_.Scalar", "aten::div_.Scalar")  # fmt: skip
def float_in_place(x: Tensor, other: Any, *args: Any, **kwargs: Any) -> Any:
    if not all_float(x) or not writable(x):
        return NotImplemented
    if isinstance(other, _NUMBERS):
        return x
    if not isinstance(other, Tensor) or not all_float(x, other):
        return NotImplemented
    return x if keeps_shape(x, other) else NotImplemented


def _is_integer(x: Tensor) -> bool:
    return x.dtype in _INTEGERS and same_dtype(x)


def writable(x: Tensor) -> bool:
    """Whether elements do not overlap in memory, by a quick check."""
    return x.is_contiguous() or 0 not in x.stride()
