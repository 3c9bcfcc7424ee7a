"""Convolutions of complex numbers, as four convolutions of real ones.

torch runs them as three, whose operands are sums of the parts (Karatsuba). Counted as such, a layer
would have three quarters of the MACs of the same layer as a matrix product. Here they run as
written, so that both passes have four real MACs for each complex one, on every lane.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

CONVOLUTIONS = (
    torch.conv1d, torch.conv2d, torch.conv3d,
    torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d,
)  # fmt: skip


def is_complex_convolution(function: Any, args: Any, kwargs: Any) -> bool:
    """Whether `function` is a convolution, called with complex numbers."""
    if not any(function is convolution for convolution in CONVOLUTIONS):  # some are unhashable
        return False
    operands = (*args[:2], kwargs.get("input"), kwargs.get("weight"))
    return any(isinstance(value, Tensor) and value.is_complex() for value in operands)


def convolve(function: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """(x + x'·i)(w + w'·i) + b = x w - x' w' + Re b + (x w' + x' w + Im b)·i"""
    names = ("input", "weight", "bias")
    operands = dict(zip(names, args, strict=False)) | {n: kwargs[n] for n in names if n in kwargs}
    settings = {name: value for name, value in kwargs.items() if name not in names}
    x, weight, bias = (operands.get(name) for name in names)
    if x is None or weight is None or x.dtype is not weight.dtype:
        return function(*args, **kwargs)  # torch refuses it

    def part(a: Tensor, b: Tensor, added: Tensor | None = None) -> Tensor:
        return function(a, b, added, *args[3:], **settings)

    of_real, of_imaginary = (None, None) if bias is None else (bias.real, bias.imag)
    real = part(x.real, weight.real, of_real) - part(x.imag, weight.imag)
    imaginary = part(x.real, weight.imag, of_imaginary) + part(x.imag, weight.real)
    return torch.complex(real, imaginary)
