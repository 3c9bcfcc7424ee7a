"""Building models without memory and without initialising weights that nobody will read."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.full,
              torch.arange, torch.tensor}  # fmt: skip
_FILLING = {"uniform_", "normal_", "fill_", "zero_"}


class WithoutData(TorchFunctionMode):
    """Tensors made inside are on `meta`, and initialising them does nothing.

    Initialisation is most of the time that construction takes, and needs the generator's state;
    here neither is touched.
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
