"""Tensors inside nested tuples, lists and dicts, as operators and modules take and return them."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

PLAIN = frozenset({int, float, bool, str, type(None)})
PLAIN_TENSORS = frozenset({Tensor, nn.Parameter})  # never lazy


def tensors_among(value: Any) -> list[Tensor]:
    """The tensors inside nested tuples, lists and dicts, in order."""
    if type(value) in PLAIN_TENSORS:
        return [value]
    found: list[Tensor] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[Tensor]) -> None:
    kind = type(value)
    if kind in PLAIN:
        return
    if kind in PLAIN_TENSORS:
        found.append(value)
    elif isinstance(value, Tensor):
        if not is_lazy(value):  # a parameter without a shape yet
            found.append(value)
    elif isinstance(value, (tuple, list)):
        for item in value:
            if type(item) in PLAIN_TENSORS:
                found.append(item)
            elif type(item) not in PLAIN:
                _collect(item, found)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, found)


def rebuilt(value: Any, items: list[Any]) -> Any:
    """A tuple, named tuple or list like `value` with other items."""
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
