"""Whether an analysis from a file makes sense, in what a schema cannot say and readers rely on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from .results import Analysis, Layer

MAX_COUNT = 10**100  # of anything; figures are divided as floats, which end at 10**308


def defect(analysis: Analysis) -> str | None:
    """The first place that contradicts itself, as `layers[3] (conv1): …`; None if there is none."""
    return next(_defects(analysis), None)


def _defects(analysis: Analysis) -> Iterator[str]:
    if not analysis.layers:
        yield "layers: there are none, not even the model itself"
        return
    yield from _numbers(analysis.totals, "totals")
    yield from _numbers(analysis.by_role, "by_role")
    for index, item in enumerate(analysis.inputs):
        yield from _numbers(item.shape, f"inputs[{index}].shape")
    if not analysis.inputs and any(layer.receptive_field for layer in analysis.layers):
        yield "inputs: there are none, but layers have receptive fields in them"
    first, *others = analysis.layers
    if first.depth != 0:
        yield f"{_place(0, first)}: the first one is the model itself, so its depth is 0"
    above = first
    for index, layer in enumerate(analysis.layers):
        yield from _numbers(layer, _place(index, layer))
    for index, layer in enumerate(others, start=1):
        if not 1 <= layer.depth <= above.depth + 1:
            yield f"{_place(index, layer)}: depth {layer.depth} follows depth {above.depth}"
        above = layer
    for index, layer in enumerate(analysis.layers):
        if layer.window is not None:
            yield from _window(layer, _place(index, layer))


def _place(index: int, layer: Layer) -> str:
    return f"layers[{index}] ({layer.path or layer.type})"


def _window(layer: Layer, place: str) -> Iterator[str]:
    assert layer.window is not None
    if len({len(sizes) for sizes in astuple(layer.window)}) > 1:
        yield f"{place}: a window whose kernel, stride, padding and dilation differ in dimensions"
    if not all(shapes and shapes[0] for shapes in (layer.inputs, layer.outputs)):
        yield f"{place}: a window over an input or output without dimensions"
    for name in ("kernel", "stride", "dilation"):
        if min(getattr(layer.window, name, ()), default=1) < 1:
            sizes = "×".join(map(str, getattr(layer.window, name)))
            yield f"{place}: a window with the {name} {sizes}, expected 1 or more"


def _numbers(value: Any, place: str) -> Iterator[str]:
    """What is wrong with the counts, sizes and shapes in a record."""
    if isinstance(value, Struct):
        for name in value.__struct_fields__:
            if name != "window":  # paddings may be negative
                yield from _numbers(getattr(value, name), f"{place}.{name}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, f"{place}.{key}")
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _numbers(item, place)
    elif isinstance(value, int | float) and not 0 <= value <= MAX_COUNT:
        yield f"{place}: {value} is no count" if value < 0 else f"{place}: too large a number"
