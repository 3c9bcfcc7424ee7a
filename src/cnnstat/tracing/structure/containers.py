"""Tensors inside nested tuples, lists and dicts: the arguments and results of operators."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ...errors import ModelError
from ...inputs import InputSpec

PLAIN = frozenset({int, float, bool, str, type(None)})
PLAIN_TENSORS = frozenset({Tensor, nn.Parameter})  # never lazy


def tensors_among(value: Any) -> list[Tensor]:
    """The tensors inside nested tuples, lists and dicts, in order."""
    if type(value) in PLAIN_TENSORS:
        return [value]
    found: list[Tensor] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[Tensor], above: tuple[int, ...] = ()) -> None:
    """`above` are the containers around it: one that contains itself is searched once."""
    kind = type(value)
    if kind in PLAIN:
        return
    if kind in PLAIN_TENSORS:
        found.append(value)
    elif isinstance(value, Tensor):
        if not is_lazy(value) and value is not jagged_placeholder():
            found.append(value)  # a lazy parameter has no shape yet
    elif isinstance(value, (tuple, list)):
        if id(value) in above:
            return
        for item in value:
            if type(item) in PLAIN_TENSORS:
                found.append(item)
            elif type(item) not in PLAIN:
                _collect(item, found, (*above, id(value)))
    elif isinstance(value, dict) and id(value) not in above:
        for item in value.values():
            _collect(item, found, (*above, id(value)))


def jagged_placeholder() -> Tensor | None:
    """The jagged tensor, on `meta`, by which torch marks a call as one on jagged tensors."""
    placeholder: Tensor | None = getattr(_jagged, "_dummy_instance", None)
    return placeholder


_jagged: Any = sys.modules.get("torch.nested._internal.nested_tensor")


def rebuilt(value: Any, items: list[Any]) -> Any:
    """A tuple, named tuple or list like `value` with other items."""
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def map_inputs(value: Any, place: Callable[[InputSpec | Tensor], Tensor]) -> Any:
    """The inputs with each `InputSpec` and tensor replaced by `place` of it."""
    if isinstance(value, InputSpec | Tensor):
        return place(value)
    if isinstance(value, tuple | list):
        return rebuilt(value, [map_inputs(item, place) for item in value])
    if isinstance(value, dict):
        return {key: map_inputs(item, place) for key, item in value.items()}
    return value


def clone_inputs(original: Any, placed: Any) -> Any:
    """Clones of the placed inputs, which require a gradient where the caller's `original` does."""
    if isinstance(placed, Tensor):
        requires_grad = isinstance(original, Tensor) and original.requires_grad
        return placed.detach().clone().requires_grad_(requires_grad)
    if isinstance(placed, tuple | list):
        pairs = zip(original, placed, strict=True)
        return rebuilt(placed, [clone_inputs(*pair) for pair in pairs])
    if isinstance(placed, dict):
        return {key: clone_inputs(original[key], value) for key, value in placed.items()}
    return placed


def output_tensors(value: Any, above: tuple[int, ...] = ()) -> Iterator[Tensor]:
    """The tensors in the output of a model: inside nested containers, sets and objects.

    `above` are the containers around it: one that contains itself is searched once.
    """
    if isinstance(value, Tensor):
        yield value
        return
    items: Iterable[Any] = ()
    if isinstance(value, dict):
        items = value.values()
    elif isinstance(value, tuple | list | set | frozenset):
        items = value
    elif is_dataclass(value) and not isinstance(value, type):
        items = [getattr(value, field.name, None) for field in fields(value)]
    elif _is_plain_object(value):
        items = list(vars(value).values())
    if id(value) not in above:
        for item in items:
            yield from output_tensors(item, (*above, id(value)))


def _is_plain_object(value: Any) -> bool:
    """Whether it is an object of a class of the user: a result with attributes."""
    cls = type(value)
    foreign = cls.__module__.partition(".")[0] in ("builtins", "torch", "numpy", "types")
    is_code = isinstance(value, type | nn.Module) or callable(value)
    return not foreign and not is_code and hasattr(value, "__dict__")


def complete(result: Any) -> Any:
    """The result of a model; what a generator yields, as a tuple.

    Raises:
        ModelError: it is a coroutine or an asynchronous generator, which nothing has run.
    """
    if isinstance(result, Coroutine | AsyncGenerator):
        if isinstance(result, Coroutine):
            result.close()  # Python warns of one that is never awaited
        raise ModelError(
            "the forward of the model is asynchronous: calling the model runs no layer",
            hint="a model whose forward is `def`, not `async def`",
        )
    return tuple(result) if isinstance(result, Generator) else result
