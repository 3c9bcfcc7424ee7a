"""Constants that forward creates on the CPU: without data they keep their values until written."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..structure.containers import tensors_among


def changes_constant(function: str, args: Any, kwargs: Any) -> bool:
    """Whether a function writes what has a gradient, without data, to a constant on the CPU.

    The constant then has no values either, and its own gradient is where the written one is.
    """
    is_in_place = function.endswith("_") and not function.endswith("__")
    if not (is_in_place or function.startswith(("__i", "__setitem"))) or not args:
        return False
    constant = args[0]
    return (
        isinstance(constant, Tensor)
        and constant.is_cpu
        and not constant.requires_grad
        and not constant._is_view()  # what it shows would stay where it is
        and torch.is_grad_enabled()
        and any(tensor.is_meta and tensor.requires_grad for tensor in tensors_among((args, kwargs)))
    )
