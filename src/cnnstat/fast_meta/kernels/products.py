"""Products of matrices, softmax, norms and means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...operators.linear import of_batches, of_matrices, with_added
from ...operators.shape_rules import Misfit
from ...results import Shape
from .layout import elementwise
from .registry import all_float, empty, in_mixed_precision, kernel, same_dtype


@kernel("aten::addmm")
def addmm(bias: Tensor, x: Tensor, weight: Tensor, **scale: Any) -> Any:
    return _product(of_matrices, x, weight, bias)


@kernel("aten::mm")
def mm(x: Tensor, y: Tensor) -> Any:
    return _product(of_matrices, x, y)


@kernel("aten::bmm")
def bmm(x: Tensor, y: Tensor) -> Any:
    return _product(of_batches, x, y)


def _product(
    shape_of: Callable[[Shape, Shape], Shape], x: Tensor, y: Tensor, added: Tensor | None = None
) -> Any:
    if not all_float(x, y, added):
        return NotImplemented
    try:
        shape = shape_of(x.shape, y.shape)
        return empty(shape if added is None else with_added(added.shape, shape), x)
    except Misfit:  # torch's error is better
        return NotImplemented


@kernel("aten::_softmax", "aten::_log_softmax")
def softmax(x: Tensor, dim: int, half_to_float: bool) -> Any:
    if not all_float(x) or half_to_float or not -x.dim() <= dim < x.dim():
        return NotImplemented
    return empty(x.shape, x)


@kernel("aten::_safe_softmax")
def safe_softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Any:
    return NotImplemented if dtype is not None else softmax(x, dim, False)


@kernel("aten::native_batch_norm")
def native_batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Any:
    per_channel = (weight, bias, mean, var)
    if x.dim() < 2 or (not training and (mean is None or var is None)):
        return NotImplemented
    if not all_float(x, *per_channel) and not in_mixed_precision(x, *per_channel):
        return NotImplemented
    if any(t is not None and (t.shape != x.shape[1:2]) for t in per_channel):
        return NotImplemented
    count = x.shape[1:2]
    if training and x.numel() == count[0]:  # one value has no variance: torch raises or warns
        return NotImplemented
    if not x.is_contiguous() and 1 in x.shape:  # strides of dimensions of size 1 are ambiguous
        return NotImplemented
    return elementwise(x), _statistics(count, x), _statistics(count, x)


@kernel("aten::_native_batch_norm_legit_no_training")  # what a run with symbolic sizes dispatches
def batch_norm_at_inference(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, var: Tensor, *args: float
) -> Any:
    return native_batch_norm(x, weight, bias, mean, var, False, *args)


@kernel("aten::native_layer_norm")
def native_layer_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Any:
    dims = len(shape)
    if (
        dims == 0
        or not all_float(x, weight, bias)
        or tuple(x.shape[x.dim() - dims :]) != tuple(shape)
    ):
        return NotImplemented
    if any(t is not None and tuple(t.shape) != tuple(shape) for t in (weight, bias)):
        return NotImplemented
    rows = (*x.shape[: x.dim() - dims], *(1 for _ in shape))
    return empty(x.shape, x), _statistics(rows, x), _statistics(rows, x)


def _statistics(shape: Sequence[int], template: Tensor) -> Tensor:
    """Empty means or variances: float32 for half precision."""
    dtype = torch.float32 if template.itemsize < 4 else template.dtype
    return torch.empty(tuple(shape), dtype=dtype, device="meta")


@kernel("aten::sum.dim_IntList")
def total(x: Tensor, dims: Sequence[int] | None, keepdim: bool = False, **kwargs: Any) -> Any:
    is_integer = x.dtype is torch.int64 and same_dtype(x) and bool(dims) and not kwargs
    if is_integer and all(-x.dim() <= d < x.dim() for d in dims or ()):
        return _reduced(x, dims or (), keepdim)
    return reduction(x, dims, keepdim, **kwargs)


@kernel("aten::mean.dim")
def reduction(x: Tensor, dims: Sequence[int] | None, keepdim: bool = False, **kwargs: Any) -> Any:
    if not all_float(x) or not dims or kwargs or not all(-x.dim() <= d < x.dim() for d in dims):
        return NotImplemented
    return _reduced(x, dims, keepdim)


@kernel("aten::linalg_vector_norm")
def vector_norm(
    x: Tensor,
    order: Any = 2,
    dims: Sequence[int] | None = None,
    keepdim: bool = False,
    **kwargs: Any,
) -> Any:
    return NotImplemented if order != 2 else reduction(x, dims, keepdim, **kwargs)


def _reduced(x: Tensor, dims: Sequence[int], keepdim: bool) -> Any:
    reduced = {d % x.dim() for d in dims}
    if len(reduced) != len(dims):
        return NotImplemented
    sizes = [1 if d in reduced else n for d, n in enumerate(x.shape) if keepdim or d not in reduced]
    return empty(sizes, x)
