"""The time of each layer's forward and backward pass, by hooks, and the overhead of the hooks.

Hooks of a module mark the start and the end of its forward pass. The backward pass has no modules:
there the nodes of autograd's graph are hooked, those that produced the output of a layer and those
that produced its input. The backward pass of a layer lasts from the call of an output node until
the next call of any hooked node; functions between two layers are then counted with neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from torch import nn

from ..tracing.structure.containers import tensors_among
from .clock import Clock, Mark
from .results import LayerTime, LayerTimes
from .timing import spread

_PASSES = 20
_UNTIMED = 3  # warm-up passes


def layer_times(model: nn.Module, run: Callable[[], Any], clock: Clock) -> LayerTimes:
    """Run passes with and without hooks alternately, and compare the medians.

    `run` calls `model` on a batch, with or without gradients. Layers are the modules without
    children. The calls of a layer in one pass are summed.
    """
    leaves = {path: module for path, module in model.named_modules() if not [*module.children()]}
    forward: dict[str, list[float]] = {path: [] for path in leaves}
    backward: dict[str, list[float]] = {path: [] for path in leaves}
    bare, hooked = [], []
    for number in range(_UNTIMED + _PASSES):
        before = clock.now()
        run()
        between = clock.now()
        with _timed(leaves, clock.now) as marks:
            start = clock.now()
            run()
            end = clock.now()
        if number < _UNTIMED:
            continue
        bare.append(clock.between(before, between))
        hooked.append(clock.between(start, end))
        for path, pairs in marks.forward.items():
            if pairs:
                forward[path].append(sum(clock.between(*pair) for pair in pairs))
        for path, seconds in marks.in_backward(end, clock).items():
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


class _Marks:
    """The moments that the hooks of one pass marked."""

    def __init__(self, paths: Sequence[str], now: Callable[[], Mark]) -> None:
        self.now = now
        self.forward: dict[str, list[tuple[Mark, Mark]]] = {path: [] for path in paths}
        self._backward: list[tuple[str | None, Mark]] = []
        self._open: list[Mark] = []  # starts of the calls that have not ended
        self._known: dict[Any, str | None] = {}  # layer that a node is the output of

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
        """The seconds of the layers in the backward pass that ended at `end`."""
        found: dict[str, float] = {}
        for (path, start), (_, stop) in pairwise([*self._backward, (None, end)]):
            if path is not None:
                found[path] = found.get(path, 0.0) + clock.between(start, stop)
        return found


@contextmanager
def _timed(leaves: dict[str, nn.Module], now: Callable[[], Mark]) -> Iterator[_Marks]:
    """Hook every layer inside the block."""
    marks = _Marks(list(leaves), now)
    handles = []
    for path, leaf in leaves.items():

        def end(module: Any, args: Any, output: Any, path: str = path) -> None:
            marks.end(path, args, output)

        handles.append(leaf.register_forward_pre_hook(marks.begin))
        handles.append(leaf.register_forward_hook(end))
    try:
        yield marks
    finally:
        for handle in handles:
            handle.remove()
