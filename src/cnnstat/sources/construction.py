"""Building models without memory and without initialising weights that nobody will read."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

# arange, linspace and tensor keep their values: constructors read them back.
_FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.full}
_FILLING = {"uniform_", "normal_", "fill_", "zero_"}


class WithoutInitialization(TorchFunctionMode):
    """`torch.nn.init` does nothing inside: most of the time that construction takes."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


class WithoutData(TorchFunctionMode):
    """Tensors made inside are on `meta`, and initialising them does nothing.

    Initialisation needs the generator's state too, which is left alone here.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in _FACTORIES and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        elif getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        elif getattr(func, "__name__", "") in _FILLING and _is_meta(args):
            return args[0]
        return func(*args, **kwargs)


def _is_meta(args: Any) -> bool:
    return bool(args) and isinstance(args[0], Tensor) and args[0].is_meta
