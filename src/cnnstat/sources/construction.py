"""Building models without memory and without initialising weights that nobody will read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..tracing.copies import meta_copy

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


def construct(factory: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call `factory` so that the model it returns is on `meta`.

    Where construction reads values back, it runs on the CPU with initialisation skipped, and the
    model is copied without its data. Raises what the factory raises.
    """
    try:
        with WithoutData():
            model = factory(**arguments)
    except (RuntimeError, NotImplementedError) as error:
        if "meta" not in str(error).lower():
            raise
        with WithoutInitialization():
            model = factory(**arguments)
    if not isinstance(model, nn.Module):
        return model
    tensors = (*model.parameters(), *model.buffers())
    return model if all(tensor.is_meta for tensor in tensors) else meta_copy(model)
