"""Operators that make a tensor from sizes, and those that fill one with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from .elementwise import writable
from .registry import alike, kernel


@kernel("aten::zeros", "aten::ones", "aten::rand", "aten::randn")
def made(size: Sequence[int], **kwargs: Any) -> Any:
    return _made(size, **kwargs)


@kernel("aten::full")
def full(size: Sequence[int], number: Any, **kwargs: Any) -> Any:
    if kwargs.get("dtype") is None and type(number) is not float:
        return NotImplemented  # torch chooses one by the number
    return _made(size, **kwargs)


@kernel("aten::new_zeros", "aten::new_ones")
def new(x: Tensor, size: Sequence[int], **kwargs: Any) -> Any:
    dtype, device = kwargs.pop("dtype", None), kwargs.pop("device", None)
    return _made(size, dtype=dtype or x.dtype, device=device or x.device, **kwargs)


@kernel("aten::new_full")
def new_full(x: Tensor, size: Sequence[int], number: Any, **kwargs: Any) -> Any:
    return new(x, size, **kwargs)


@kernel("aten::scalar_tensor")
def scalar_tensor(number: Any, **kwargs: Any) -> Any:
    return full((), number, **kwargs)


def _made(
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
    like = {"dtype": x.dtype, "device": x.device, "layout": x.layout}
    same = all(not value or value == like.get(name) for name, value in kwargs.items())
    fits = len(size) == len(stride) and min([*size, *stride], default=0) >= 0
    if not x.is_meta or not same or not fits:
        return NotImplemented
    return torch.empty_strided(tuple(size), tuple(stride), dtype=x.dtype, device="meta")


@kernel("aten::zero_")
def zeroed(x: Tensor) -> Any:
    return x if x.is_meta and writable(x) else NotImplemented


@kernel("aten::fill_.Scalar")
def filled(x: Tensor, number: Any) -> Any:
    return x if alike(x) and writable(x) else NotImplemented


@kernel("aten::uniform_")
def uniform(x: Tensor, low: float = 0, high: float = 1, *, generator: Any = None) -> Any:
    return _drawn(x, low <= high, generator)


@kernel("aten::normal_")
def normal(x: Tensor, mean: float = 0, std: float = 1, *, generator: Any = None) -> Any:
    return _drawn(x, std >= 0, generator)


@kernel("aten::bernoulli_.float")
def bernoulli(x: Tensor, p: float = 0.5, *, generator: Any = None) -> Any:
    return _drawn(x, 0 <= p <= 1, generator)


def _drawn(x: Tensor, legal: bool, generator: Any) -> Any:
    return x if legal and generator is None and alike(x) and writable(x) else NotImplemented


@kernel("aten::_unsafe_view")
def unsafe_view(x: Tensor, size: Sequence[int]) -> Any:
    plain = alike(x) and x.is_contiguous() and all(type(n) is int and n > 0 for n in size)
    return x.view(tuple(size)) if plain and prod(size) == x.numel() else NotImplemented
