"""Tensors inside nested tuples, lists and dicts, as operators and modules take and return them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ..inputs import InputSpec

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


def placed(value: Any, place: Callable[[InputSpec | Tensor], Tensor]) -> Any:
    """The inputs, with what `place` makes of each `InputSpec` and tensor inside."""
    if isinstance(value, InputSpec | Tensor):
        return place(value)
    if isinstance(value, tuple | list):
        return rebuilt(value, [placed(item, place) for item in value])
    if isinstance(value, dict):
        return {key: placed(item, place) for key, item in value.items()}
    return value


def placed_again(given: Any, placed: Any) -> Any:
    """The placed inputs once more, with gradients where one of those `given` wants them."""
    if isinstance(placed, Tensor):
        # a tensor that was given with a gradient wanted gets it here too
        wanted = isinstance(given, Tensor) and given.requires_grad
        return placed.detach().clone().requires_grad_(wanted)
    if isinstance(placed, tuple | list):
        return rebuilt(placed, [placed_again(*pair) for pair in zip(given, placed, strict=True)])
    if isinstance(placed, dict):
        return {key: placed_again(given[key], value) for key, value in placed.items()}
    return placed


def tensors_inside(value: Any) -> Iterator[Tensor]:
    """The tensors inside nested containers and dataclasses."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors_inside(list(value.values()))
    elif isinstance(value, tuple | list | set | frozenset):
        for item in value:
            yield from tensors_inside(item)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from tensors_inside([getattr(value, f.name) for f in fields(value)])
