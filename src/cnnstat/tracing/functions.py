"""The functional operators that a container's `forward` calls, seen by a function mode."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from . import recurrent
from .recorder import Recorder

# Properties of a tensor that run an operator; every other property is mere information.
_COMPUTED_PROPERTIES = {"T", "mT", "H", "mH", "real", "imag"}
_is_autocast = torch.is_autocast_enabled  # of torch itself: `answers` puts another in its place
_NOT_OPERATORS = {"__get__", "__set__", "__len__", "__repr__", "__format__", "__iter__", "__hash__",
                  "size", "dim", "numel", "stride", "requires_grad_"}  # fmt: skip


class Functions(TorchFunctionMode):
    """Opens a row for each functional operator that a container's `forward` calls."""

    def __init__(self, recorder: Recorder, fused: bool) -> None:
        super().__init__()
        self.recorder = recorder
        self.fused = fused
        self._names: dict[Any, str | None] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        recorder = self.recorder
        if self.fused and (operator := getattr(func, "__name__", "")) in recurrent.OPERATORS:
            result = self._recurrent(operator, args, kwargs)
            if result is not None:
                return result
        # Asked here: below, where operators are dispatched, autocast always seems to be off.
        recorder.autocast = _is_autocast("cpu") or _is_autocast("cuda")
        if recorder.in_library_module or (name := self._name(func)) is None:
            return func(*args, **kwargs)
        call = recorder.open_function(name, (args, kwargs))
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            recorder.close(call, error)
            raise
        recorder.close(call, result)
        return result

    def _name(self, func: Any) -> str | None:
        try:
            return self._names[func]
        except KeyError:
            name = self._names[func] = function_name(func)
            return name
        except TypeError:  # of an object that cannot be hashed
            return function_name(func)

    def _recurrent(self, name: str, args: Any, kwargs: Any) -> Any:
        if kwargs or (isinstance(args[1], Tensor) and isinstance(args[2], Tensor)):
            return None  # a packed sequence, whose lengths are values
        with torch._C.DisableTorchFunction():
            result = recurrent.answer(*args)
            if result is not None:
                self.recorder.note(recurrent.OPERATORS[name], "input", args, kwargs, result)
        return result


def function_name(func: Any) -> str | None:
    """The operator's name as a person says it: `add` for `+=`, None for what is no operator."""
    name = getattr(func, "__name__", "")
    if isinstance(func, torch._ops.OpOverload):  # called as such: torch.ops.aten.add.Tensor
        name = name.partition(".")[0]
    if name == "__get__":
        name = getattr(getattr(func, "__self__", None), "__name__", "")
        return name if name in _COMPUTED_PROPERTIES else None
    if not name or name in _NOT_OPERATORS or name.startswith(("is_", "_is_")):
        return None
    if name.startswith("__"):
        name = name.strip("_")
        # __iadd__ and __radd__ are both the addition.
        return name[1:] if name[0] in "ir" and hasattr(Tensor, f"__{name[1:]}__") else name
    return name.strip("_")
