"""Operators of a training step: dropout, loss and optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .layout import elementwise
from .registry import all_float, empty, kernel

_REDUCED = (1, 2)  # to a mean or a sum


@kernel("aten::native_dropout")
def native_dropout(x: Tensor, p: float, train: bool | None) -> Any:
    fits = all_float(x) and x.is_contiguous() and train and 0 < p < 1
    return (elementwise(x), elementwise(x, dtype=torch.bool)) if fits else NotImplemented


@kernel("aten::native_dropout_backward")
def native_dropout_backward(gradient: Tensor, mask: Tensor, scale: float) -> Any:
    fits = all_float(gradient) and gradient.shape == mask.shape and mask.is_meta
    plain = fits and gradient.is_contiguous() and mask.is_contiguous()
    return elementwise(gradient) if plain and mask.dtype is torch.bool else NotImplemented


@kernel("aten::nll_loss_forward")
def nll_loss_forward(
    x: Tensor, target: Tensor, weight: Tensor | None, reduction: int, ignore_index: int
) -> Any:
    if not _scored(x, target, weight, reduction):
        return NotImplemented
    return empty((), x), empty((), x)


@kernel("aten::nll_loss_backward")
def nll_loss_backward(
    gradient: Tensor,
    x: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: int,
    ignore_index: int,
    total_weight: Tensor,
) -> Any:
    fits = _scored(x, target, weight, reduction) and all_float(gradient, x, total_weight)
    single = fits and gradient.dim() == total_weight.dim() == 0
    return empty(x.shape, x) if single else NotImplemented


def _scored(x: Tensor, target: Tensor, weight: Tensor | None, reduction: int) -> bool:
    """Whether the operands are scores [N, classes] and the class of each row."""
    return (
        weight is None
        and reduction in _REDUCED
        and all_float(x)
        and x.dim() == 2
        and x.is_contiguous()
        and target.is_meta
        and target.dtype is torch.int64
        and target.shape == x.shape[:1]
    )


@kernel("aten::lerp_.Scalar")
def lerp(x: Tensor, end: Tensor, weight: float) -> Any:
    return x if _changed(x, end) else NotImplemented


@kernel("aten::addcmul_", "aten::addcdiv_")
def add_product(x: Tensor, first: Tensor, second: Tensor, *, value: float = 1) -> Any:
    return x if _changed(x, first, second) else NotImplemented


@kernel("aten::_foreach_add_.List")
def add_each(xs: Sequence[Tensor], others: Sequence[Tensor], *, alpha: float = 1) -> Any:
    return None if _all_changed(xs, others) else NotImplemented


@kernel("aten::_foreach_lerp_.Scalar", "aten::_foreach_mul_.Scalar", "aten::_foreach_add_.Scalar",
        "aten::_foreach_div_.ScalarList", "aten::_foreach_addcmul_.Scalar",
        "aten::_foreach_addcdiv_.ScalarList")  # fmt: skip
def change_each(xs: Sequence[Tensor], *operands: Any) -> Any:
    lists = [operand for operand in operands if _is_of_tensors(operand)]
    numbers = [operand for operand in operands if not _is_of_tensors(operand)]
    as_many = all(len(n) == len(xs) for n in numbers if isinstance(n, list | tuple))
    return None if as_many and _all_changed(xs, *lists) else NotImplemented


@kernel("aten::_foreach_sqrt")
def sqrt_each(xs: Sequence[Tensor]) -> Any:
    return [elementwise(x) for x in xs] if _all_changed(xs) else NotImplemented


def _is_of_tensors(operand: Any) -> bool:
    return isinstance(operand, list | tuple) and all(isinstance(t, Tensor) for t in operand)


def _all_changed(xs: Sequence[Tensor], *others: Sequence[Tensor]) -> bool:
    if not xs or any(len(other) != len(xs) for other in others):
        return False
    return all(_changed(*tensors) for tensors in zip(xs, *others, strict=True))


def _changed(x: Tensor, *others: Tensor) -> bool:
    """Whether `x` may be updated in place by tensors of its dtype and shape."""
    plain = all_float(x, *others) and all(other.shape == x.shape for other in others)
    return plain and (x.is_contiguous() or 0 not in x.stride())


@kernel("aten::ones_like", "aten::zeros_like", "aten::empty_like")
def create_like(x: Tensor, **kwargs: Any) -> Any:
    known = {
        "dtype": (None, x.dtype), "layout": (None, torch.strided), "pin_memory": (None, False),
        "device": (None, x.device), "memory_format": (None, torch.preserve_format),
    }  # fmt: skip
    same = all(value in known[name] for name, value in kwargs.items())
    return elementwise(x) if same and all_float(x) and x.is_contiguous() else NotImplemented


@kernel("aten::_to_copy")
def cast(x: Tensor, **kwargs: Any) -> Any:
    dtype = kwargs.pop("dtype", None)
    plain = all_float(x) and x.is_contiguous() and dtype is not None and dtype.is_floating_point
    known = kwargs.get("memory_format") in (None, torch.preserve_format)
    others = [value for name, value in kwargs.items() if name != "memory_format"]
    return elementwise(x, dtype=dtype) if plain and known and not any(others) else NotImplemented
