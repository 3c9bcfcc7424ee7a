"""Load built-in networks, `nin`, at the input size of their paper."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ModelError, UsageError
from ..inputs import InputSpec, format_shape
from .construction import builders, construct, construction_error, format_error
from .loaded import Loaded
from .zoo.catalog import CATALOG, Entry

ONLY_INPUT = ("x", "input")
"""The names of the only input of a built-in network."""


def load(
    spec: str, inputs: Sequence[Any], named: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Loaded:
    """Build a network of the zoo on `meta`.

    Without an `in_channels` argument, the channels of the input decide it.

    Raises:
        UsageError: an argument is unknown, or an input is not one image batch.
        ModelError: it cannot be built, or the input has the wrong number of dimensions.
    """
    entry, chosen = CATALOG[spec], dict(arguments)
    if len(named) == 1 and set(named) < set(ONLY_INPUT) and not inputs:
        inputs, named = list(named.values()), {}
    if named:
        raise UsageError(f"{spec} takes one positional input: leave out {next(iter(named))}=")
    factory = entry.load()
    _check_arguments(spec, factory, chosen)
    notes: tuple[str, ...] = ()
    if inputs:
        channels = _image(entry, inputs)[1]
        if channels != entry.input[1]:
            if "in_channels" not in chosen:
                notes = (
                    f"in_channels={channels} follows the input: the network of the paper has "
                    f"{entry.input[1]}",
                )
            chosen.setdefault("in_channels", channels)
    else:
        batch, channels, *sides = entry.input
        inputs = [InputSpec((batch, chosen.get("in_channels", channels), *sides))]
    try:
        model = construct(factory, chosen)
    except Exception as error:  # --arg passes any value to the constructor
        raise construction_error(spec, chosen, format_error(error)) from error
    return Loaded(spec, "zoo", model, builders(factory, chosen), tuple(inputs), {}, chosen,
                  notes=notes)  # fmt: skip


def _image(entry: Entry, inputs: Sequence[Any]) -> tuple[int, ...]:
    """The shape N×C×H×W of the only input of a zoo network."""
    if len(inputs) > 1:
        raise UsageError(f"{entry.name} takes one input, {len(inputs)} were given")
    if not hasattr(inputs[0], "shape"):
        raise UsageError(f"{inputs[0]!r} is no input", hint=f"--input {InputSpec(entry.input)}")
    shape = tuple(inputs[0].shape)
    if len(shape) != len(entry.input):
        raise ModelError(
            f"input {format_shape(shape)} has {len(shape)} "
            f"dimension{'s' if len(shape) != 1 else ''}",
            f"{entry.name} takes {len(entry.input)}: batch, channels, height, width",
            hint=f"--input {InputSpec(entry.input)}",
        )
    return shape


def _check_arguments(spec: str, factory: Any, arguments: Mapping[str, Any]) -> None:
    known = list(inspect.signature(factory).parameters)
    for name in arguments:
        if name not in known:
            raise UsageError(f"{spec} has no argument {name!r}", f"it takes {', '.join(known)}")
