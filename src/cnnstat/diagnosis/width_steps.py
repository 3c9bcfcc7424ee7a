"""The surprisal of the widths along a network: steps from one layer or block to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log2
from typing import Any

from ..operators.joins import Cat
from ..operators.registry import view_of
from ..trace.records import Call, Failure, Module
from . import weights
from .literals import plain
from .weights import total


def step_surprisal(before: int | None, width: int, after: int | None) -> float:
    """Of a width between those of its neighbors, as far as these are known."""
    steps = [log2(b / a) for a, b in ((before, width), (width, after)) if a and b]
    turns = len(steps) == 2 and steps[0] * steps[1] < 0
    return sum(total(weights.STEP, step) for step in steps) + weights.TURN * turns


def more_in_steps(settings: Mapping[str, Mapping[str, Any]], failure: Failure) -> float:
    """The surprisal of the steps into and out of the changed layers, minus that before."""
    calls = [call for call in failure.trace.calls if call.module and width_of(call.module.settings)]
    places = [i for i, call in enumerate(calls) if width_of(settings.get(call.path, {}))]
    if not places:
        return 0.0
    first, last = (_step_at(calls[places[i]], failure) for i in (0, -1))
    old, new = last.width, width_of(settings[last.layer.path])
    if old is None or new is None:
        return 0.0
    behind = next((c for c in calls[places[-1] + 1 :] if not is_inside(c.path, last.path)), None)
    following = None if behind is None else _next_layer(behind, last.path, failure)
    if following is not None and following.base != last.layer.base:
        following = None
    after = None if following is None else width_of(following.settings)
    more = step_surprisal(first.before, new, after) - step_surprisal(first.before, old, after)
    is_conv = _has_window(first.layer) and last.layer.base.startswith("Conv")
    # Behind a concatenation, as in a decoder, a convolution makes fewer channels.
    if first.before is not None and is_conv and not _follows_cat(calls[places[0]], failure):
        more += weights.NARROWING * ((new < first.before) - (old < first.before))
    if after is not None and following is not None and _has_window(following):
        more += weights.NARROWING * ((after < new) - (after < old))
    return more


def grows(path: str, failure: Failure) -> bool | None:
    """Whether the block of a layer, or the layer, makes more channels than it takes.

    None for one that has not run.
    """
    block = block_of(path, failure)
    begun = next((c for c in failure.trace.calls if c.path == block and c.inputs), None)
    last = _last_layer(block, failure)
    after = None if last is None else width_of(last.settings)
    if begun is None or after is None:
        return None
    return after > next(iter(begun.inputs[0].shape[1:2]), after)


def _follows_cat(call: Call, failure: Failure) -> bool:
    source = call.inputs[0].value if call.inputs else None
    return any(isinstance(view_of(op), Cat) for op in failure.trace.ops
               if any(out.value == source for out in op.outputs))  # fmt: skip


@dataclass(frozen=True)
class _Step:
    """A layer, or the block that ends with it, between the width that it takes and its own."""

    path: str
    layer: Module
    before: int | None
    width: int | None


def _has_window(layer: Module) -> bool:
    return layer.base.startswith("Conv") and number_in(layer.settings.get("kernel_size", 1)) > 1


def _step_at(call: Call, failure: Failure) -> _Step:
    """The step that a call is in: its block, if that ends with it and does not contain the failure.

    The widths inside of a block are another matter.
    """
    layer = failure.trace.modules[call.path]
    path = block_of(call.path, failure)
    begun = next((c for c in failure.trace.calls if c.path == path and c.inputs), None)
    failed = failure.calls[-1].path if failure.calls else ""
    if begun is None or is_inside(failed, path) or _last_layer(path, failure) is not layer:
        return _Step(call.path, layer, input_size_of(layer.settings), width_of(layer.settings))
    before = next(iter(begun.inputs[0].shape[1:2]), None)
    return _Step(path, layer, before, width_of(layer.settings))


def _next_layer(call: Call, path: str, failure: Failure) -> Module | None:
    """The layer with a width that ends the block or layer of a call, behind that at `path`."""
    container = path.rpartition(".")[0]
    if not is_inside(call.path, container):
        return _last_layer(block_of(call.path, failure), failure)
    rest = call.path[len(container) + 1 if container else 0 :]
    return _last_layer(call.path[: len(call.path) - len(rest)] + rest.partition(".")[0], failure)


def _last_layer(path: str, failure: Failure) -> Module | None:
    modules = failure.trace.modules.items()
    return next((m for p, m in reversed(modules) if is_inside(p, path) and width_of(m.settings)),
                None)  # fmt: skip


def is_shortcut(path: str, failure: Failure) -> bool:
    """Whether a layer alone is one side of the sum that failed, beside layers with its input."""
    failed = failure.calls[-1] if failure.calls else None
    if failed is None or failed.module is not None or len(failed.inputs) != 2:
        return False
    calls = [c for c in failure.trace.calls
             if c.inputs and c.module and width_of(c.module.settings)]  # fmt: skip
    place = next((i for i, call in enumerate(calls) if call.path == path), None)
    if place is None:
        return False
    source = calls[place].inputs[0].value
    siblings = [i for i, c in enumerate(calls) if c.inputs[0].value == source and i != place]
    # It runs before the others or behind them, and no layer takes what it returns.
    return bool(siblings) and (place == len(calls) - 1 or place + 1 in siblings)


def block_of(path: str, failure: Failure) -> str:
    """The innermost module of a class of the user's that a layer is in, else the layer itself."""
    modules = failure.trace.modules
    block = path
    while "." in block:
        block = block.rpartition(".")[0]
        if block in modules and not modules[block].library:
            return block
    return path


def is_inside(path: str, container: str) -> bool:
    """Whether a module is another one or a part of it."""
    return path == container or path.startswith(f"{container}.") or not container


# Sizes of a layer


def input_size_of(settings: Mapping[str, Any]) -> int | None:
    """The number of channels or features that a layer takes."""
    return _first_size(settings, ("in_channels", "in_features", "input_size"))


def width_of(settings: Mapping[str, Any]) -> int | None:
    """The number of channels or features that a layer returns."""
    return _first_size(settings, ("out_channels", "out_features", "hidden_size", "embedding_dim"))


def _first_size(settings: Mapping[str, Any], names: Iterable[str]) -> int | None:
    for name in names:
        if name in settings:
            value = plain(settings[name])
            return value if isinstance(value, int) and value > 0 else None
    return None


def number_in(setting: Any) -> int:
    """The number that a setting is; the last one of a tuple."""
    value = plain(setting)
    return int(value[-1] if isinstance(value, tuple) else value)
