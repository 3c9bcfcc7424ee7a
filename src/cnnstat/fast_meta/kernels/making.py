"""Operators that create a tensor from sizes, or fill one with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from .elementwise import writable
from .registry import all_float, kernel


@kernel("aten::zeros", "aten::ones", "aten::rand", "aten::randn")
def create(size: Sequence[int], **kwargs: Any) -> Any:
    return _created(size, **kwargs)


@kernel("aten::full")
def full(size: Sequence[int], number: Any, **kwargs: Any) -> Any:
    if kwargs.get("dtype") is None and type(number) is not float:
        return NotImplemented  # torch chooses the dtype by the number
    return _created(size, **kwargs)


@kernel("aten::new_zeros", "aten::new_ones")
def new(x: Tensor, size: Sequence[int], **kwargs: Any) -> Any:
    dtype, device = kwargs.pop("dtype", None), kwargs.pop("device", None)
    return _created(size, dtype=dtype or x.dtype, device=device or x.device, **kwargs)


@kernel("aten::new_full")
def new_full(x: Tensor, size: Sequence[int], number: Any, **kwargs: Any) -> Any:
    return new(x, size, **kwargs)


@kernel("aten::scalar_tensor")
def scalar_tensor(number: Any, **kwargs: Any) -> Any:
    return full((), number, **kwargs)


def _created(
    size: Sequence[int],
    *,
    dtype: torch.dtype | None = None,
    layout: torch.layout | None = None,
    device: torch.device | str | None = None,
    pin_memory: bool | None = None,
) -> Any:
    plain = device is not None and torch.device(device).type == "meta" and not pin_memory
    if not plain or layout not in (None, torch.strided):
        return NotImplemented
    if not all(type(n) is int and n >= 0 for n in size):
        return NotImplemented
    return torch.empty(tuple(size), dtype=dtype, device="meta")


@kernel("aten::new_empty_strided")
def new_strided(x: Tensor, size: Sequence[int], stride: Sequence[int], **kwargs: Any) -> Any:
    defaults = {"dtype": x.dtype, "device": x.device, "layout": x.layout}
    is_default = all(not value or value == defaults.get(name) for name, value in kwargs.items())
    fits = len(size) == len(stride) and min([*size, *stride], default=0) >= 0
    if not x.is_meta or not is_default or not fits:
        return NotImplemented
    return torch.empty_strided(tuple(size), tuple(stride), dtype=x.dtype, device="meta")


@kernel("aten::zero_")
def zeroed(x: Tensor) -> Any:
    return x if x.is_meta and writable(x) else NotImplemented


@kernel("aten::fill_.Scalar")
def filled(x: Tensor, number: Any) -> Any:
    return x if all_float(x) and writable(x) else NotImplemented


@kernel("aten::uniform_")
def uniform(x: Tensor, low: float = 0, high: float = 1, *, generator: Any = None) -> Any:
    return _drawn(x, low <= high, generator)


@kernel("aten::normal_")
def normal(x: Tensor, mean: float = 0, std: float = 1, *, generator: Any = None) -> Any:
    return _drawn(x, std >= 0, generator)


@kernel("aten::bernoulli_.float")
def bernoulli(x: Tensor, p: float = 0.5, *, generator: Any = None) -> Any:
    return _drawn(x, 0 <= p <= 1, generator)


def _drawn(x: Tensor, is_valid: bool, generator: Any) -> Any:
    return x if is_valid and generator is None and all_float(x) and writable(x) else NotImplemented


@kernel("aten::_unsafe_view")
def unsafe_view(x: Tensor, size: Sequence[int]) -> Any:
    plain = all_float(x) and x.is_contiguous() and all(type(n) is int and n > 0 for n in size)
    return x.view(tuple(size)) if plain and prod(size) == x.numel() else NotImplemented
