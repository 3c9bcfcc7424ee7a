"""torch's FlopCounterMode; its flops are 2 per multiply–accumulate."""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..differences import Figures
from .request import Question


def count(question: Question) -> Figures:
    model, inputs, named = question.on("meta")
    # Its module tracker asks tensors that require gradients for a history, which parameters that
    # a layer hands on have none of.
    model.requires_grad_(False)
    counter = FlopCounterMode(display=False)
    by_module = _Boundaries(counter)
    for path, module in model.named_modules():
        by_module.watch(path, module)
    with counter:
        model(*inputs, **named)
        by_module.settle()
    return Figures(None, counter.get_total_flops() // 2, by_module.macs)


class _Boundaries:
    """Reads the counter wherever a module begins or ends: what it grew by is the innermost one's.

    Its own figures by module include the modules inside, and count a shared one under one name.
    """

    def __init__(self, counter: FlopCounterMode) -> None:
        self.counter = counter
        self.macs: Counter[str] = Counter()
        self._open = [""]
        self._seen = 0

    def watch(self, path: str, module: nn.Module) -> None:
        def begin(*_: Any) -> None:
            self.settle()
            self._open.append(path)

        def end(*_: Any) -> None:
            self.settle()
            self._open.pop()

        module.register_forward_pre_hook(begin)
        module.register_forward_hook(end, always_call=True)

    def settle(self) -> None:
        flops = self.counter.get_total_flops()
        self.macs[self._open[-1]] += (flops - self._seen) // 2
        self._seen = flops
