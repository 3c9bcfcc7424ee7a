"""The inputs of a run: put on its lane, made once more for a second run, told in its record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from ..inputs import InputSpec
from ..trace.records import TracedInput
from .nested import rebuilt, tensors_among
from .recorder import Recorder


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


def recorded_inputs(
    recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[TracedInput]:
    for tensor in tensors_among(args):
        yield TracedInput(None, recorder.spec(tensor))
    for name, value in kwargs.items():
        for tensor in tensors_among(value):
            yield TracedInput(name, recorder.spec(tensor))
