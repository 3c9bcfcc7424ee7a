"""The letters in a model's inputs, and the sizes to put in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from ..errors import CnnstatError
from ..inputs import InputSpec
from ..models.load import load
from ..models.model_inputs import implied_input
from ..run_config import ModelRequest

_SIZES = (224, 32, 28, 64, 256, 299, 128, 384, 512, 16, 96, 48, 100, 8, 4, 2, 1)


def at_sizes(value: Any, values: Mapping[str, int]) -> Any:
    """The inputs where every letter has a value."""
    if isinstance(value, InputSpec):
        return value.at(values)
    if isinstance(value, tuple | list):
        return type(value)(at_sizes(item, values) for item in value)
    if isinstance(value, dict):
        return {key: at_sizes(item, values) for key, item in value.items()}
    return value


def specs_in(value: Any) -> Iterator[InputSpec]:
    if isinstance(value, InputSpec):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from specs_in(item)
    elif isinstance(value, dict):
        yield from specs_in(list(value.values()))


def letters_in(value: Any) -> Iterator[str]:
    for spec in specs_in(value):
        yield from (name for _, name in spec.letters)


def told(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {size}" for name, size in values.items())


def starting_sizes(request: ModelRequest) -> dict[str, int]:
    """The sizes that the model's own input has where the letters stand."""
    model, positional, named = request.model, request.inputs, request.named_inputs
    try:
        own = load(model, (), {}, request.arguments) if isinstance(model, str) else None
    except CnnstatError:  # it has no input of its own
        own = None
    starts = {
        name: spec.shape[dim]
        for spec in specs_in((positional, named)) for dim, name in spec.letters if spec.shape[dim]
    }  # fmt: skip
    if isinstance(model, nn.Module):
        implied = implied_input(model).shape
        alike = [spec for spec in positional if len(spec.shape) == len(implied)]
        starts |= {n: implied[1] for spec in alike for dim, n in spec.letters if dim == 1}
    pairs = [*zip(positional, own.inputs, strict=False)] if own else []
    pairs += [
        (named[name], own.named_inputs[name]) for name in named if own and name in own.named_inputs
    ]
    for spec, value in pairs:
        if isinstance(spec, InputSpec) and len(getattr(value, "shape", ())) == len(spec.shape):
            for dim, name in spec.letters:
                starts.setdefault(name, int(value.shape[dim]))
    return starts


def first_values(
    letters: Sequence[str],
    starts: Mapping[str, int],
    positional: Sequence[Any],
    named: Mapping[str, Any],
) -> Iterator[dict[str, int]]:
    """Sizes at which the model may run: its own, else usual ones, two for a batch."""
    if all(name in starts for name in letters):
        yield dict(starts)
    batches = {
        name for spec in specs_in((positional, named)) for dim, name in spec.letters if dim == 0
    }
    for size in _SIZES:
        yield {name: 2 if name in batches else starts.get(name, size) for name in letters}
