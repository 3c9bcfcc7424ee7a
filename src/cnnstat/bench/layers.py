"""The time of each layer's forward and backward pass, by hooks; and what the hooks themselves cost.

Modules tell when their forward begins and ends. A backward pass has no modules: there the nodes of
autograd's graph tell when their turn comes, those that made the output of a layer and those that
made its input. A layer's backward pass is from the turn of its output to the next turn of either
kind; the nodes of functions between two layers count with neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from torch import nn

from ..tracing.containers import tensors_among
from .clock import Clock, Mark
from .results import LayerTime, LayerTimes
from .timing import spread

_PASSES = 20
_UNTIMED = 3  # passes before, in which caches and libraries settle


def layer_times(model: nn.Module, run: Callable[[], Any], clock: Clock) -> LayerTimes:
    """Run a pass with hooks and without, in turns; the medians of both are compared.

    `run` calls `model` on a batch, and computes gradients or does not. Layers are the modules
    without children; of one that is called more than once in a pass, the calls are summed.
    """
    leaves = {path: module for path, module in model.named_modules() if not [*module.children()]}
    forward: dict[str, list[float]] = {path: [] for path in leaves}
    backward: dict[str, list[float]] = {path: [] for path in leaves}
    bare, hooked = [], []
    for number in range(_UNTIMED + _PASSES):
        before = clock.now()
        run()
        between = clock.now()
        with _timed(leaves, clock.now) as turns:
            start = clock.now()
            run()
            end = clock.now()
        if number < _UNTIMED:
            continue
        bare.append(clock.between(before, between))
        hooked.append(clock.between(start, end))
        for path, pairs in turns.forward.items():
            if pairs:
                forward[path].append(sum(clock.between(*pair) for pair in pairs))
        for path, seconds in turns.in_backward(end, clock).items():
            backward[path].append(seconds)
    layers = tuple(
        LayerTime(
            path,
            type(leaves[path]).__name__,
            spread(times),
            spread(backward[path]) if backward[path] else None,
        )
        for path, times in forward.items()
        if times
    )
    return LayerTimes(layers, spread(bare), spread(hooked))


class _Turns:
    """What the hooks of one pass noted."""

    def __init__(self, paths: Sequence[str], now: Callable[[], Mark]) -> None:
        self.now = now
        self.forward: dict[str, list[tuple[Mark, Mark]]] = {path: [] for path in paths}
        self._backward: list[tuple[str | None, Mark]] = []
        self._open: list[Mark] = []
        self._known: dict[Any, str | None] = {}  # nodes and the layers whose outputs they made

    def begin(self, *_: Any) -> None:
        self._open.append(self.now())

    def end(self, path: str, args: Any, output: Any) -> None:
        self.forward[path].append((self._open.pop(), self.now()))
        self._watch(path, output)
        self._watch(None, args)

    def _watch(self, path: str | None, values: Any) -> None:
        for tensor in tensors_among(values):
            node = tensor.grad_fn
            if node is not None and node not in self._known:
                self._known[node] = path
                node.register_prehook(lambda _: self._backward.append((path, self.now())))

    def in_backward(self, end: Mark, clock: Clock) -> dict[str, float]:
        """The seconds of the layers that had a turn."""
        found: dict[str, float] = {}
        for (path, begun), (_, over) in pairwise([*self._backward, (None, end)]):
            if path is not None:
                found[path] = found.get(path, 0.0) + clock.between(begun, over)
        return found


@contextmanager
def _timed(leaves: dict[str, nn.Module], now: Callable[[], Mark]) -> Iterator[_Turns]:
    """Inside, the beginning and the end of every call are noted, and the turns of the nodes."""
    turns = _Turns(list(leaves), now)
    handles = []
    for path, leaf in leaves.items():

        def end(module: Any, args: Any, output: Any, path: str = path) -> None:
            turns.end(path, args, output)

        handles.append(leaf.register_forward_pre_hook(turns.begin))
        handles.append(leaf.register_forward_hook(end))
    try:
        yield turns
    finally:
        for handle in handles:
            handle.remove()
