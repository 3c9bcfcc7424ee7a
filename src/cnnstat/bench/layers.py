"""The time of each layer's forward pass, by hooks; and what the hooks themselves cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from ..analysis.benchmark.records import LayerTime, LayerTimes
from ..analysis.benchmark.timing import spread
from .clock import Clock, Mark

_PASSES = 20
_UNTIMED = 3  # passes before, in which caches and libraries settle


def layer_times(model: nn.Module, forward: Callable[[], Any], clock: Clock) -> LayerTimes:
    """Run the forward pass with hooks and without, in turns; the medians of both are compared.

    `forward` calls `model` on a batch. Layers are the modules without children; of one that is
    called more than once in a pass, the calls are summed.
    """
    leaves = {path: module for path, module in model.named_modules() if not [*module.children()]}
    seconds: dict[str, list[float]] = {path: [] for path in leaves}
    bare, hooked = [], []
    for number in range(_UNTIMED + _PASSES):
        before = clock.now()
        forward()
        between = clock.now()
        with _timed(leaves, clock.now) as marks:
            start = clock.now()
            forward()
            end = clock.now()
        if number < _UNTIMED:
            continue
        bare.append(clock.between(before, between))
        hooked.append(clock.between(start, end))
        for path, pairs in marks.items():
            if pairs:
                seconds[path].append(sum(clock.between(*pair) for pair in pairs))
    layers = tuple(
        LayerTime(path, type(leaves[path]).__name__, spread(times))
        for path, times in seconds.items()
        if times
    )
    return LayerTimes(layers, spread(bare), spread(hooked))


@contextmanager
def _timed(
    leaves: dict[str, nn.Module], now: Callable[[], Mark]
) -> Iterator[dict[str, list[tuple[Mark, Mark]]]]:
    """Inside, the beginning and the end of every call are noted."""
    marks: dict[str, list[tuple[Mark, Mark]]] = {path: [] for path in leaves}
    open_calls: list[Mark] = []
    handles = []
    for path, leaf in leaves.items():

        def end(module: Any, args: Any, output: Any, path: str = path) -> None:
            marks[path].append((open_calls.pop(), now()))

        handles.append(leaf.register_forward_pre_hook(lambda *_: open_calls.append(now())))
        handles.append(leaf.register_forward_hook(end))
    try:
        yield marks
    finally:
        for handle in handles:
            handle.remove()
