"""Counters that watch torch functions or operators as they are dispatched.

FlopCounterMode: `torch/utils/flop_counter.py`; 2 FLOP per MAC, and a short registry of operators.
ptflops: `get_model_complexity_info` with its `aten` backend, which also covers functional code;
`ptflops/aten_ops.py`, 0.7. calflops: `calculate_flops`, of which only the MACs are compared (its
FLOPs include norms and activations); its formulas are not modelled here.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ...models.torchvision_import import make_importable
from ...operators.convolution import Convolution
from ...trace.records import Op, Trace
from ..differences import Difference, Figures, macs_of, module_paths
from .sandbox import CountRequest


def count_flop_counter_mode(request: CountRequest) -> Figures:
    model, inputs, named = request.on("meta")
    # Its module tracker reads grad_fn of tensors that require gradients, which is None for
    # parameters that a layer returns.
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
    """Reads the counter at the start and end of every module; the increase is the innermost one's.

    The counter's own figures by module include the modules inside, and have one name for a shared
    module.
    """

    def __init__(self, counter: FlopCounterMode) -> None:
        self.counter = counter
        self.macs: Counter[str] = Counter()
        self._open = [""]
        self._counted = 0

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
        self.macs[self._open[-1]] += (flops - self._counted) // 2
        self._counted = flops


def count_ptflops(request: CountRequest) -> Figures:
    request.require_eval()
    make_importable()  # it imports torchvision
    ptflops: Any = import_module("ptflops")
    model, inputs, named = request.on("meta")
    by_name: Any = inputs[0]
    if named or len(inputs) != 1:
        by_name = dict(inspect.signature(model.forward).bind(*inputs, **named).arguments)
    macs, params = ptflops.get_model_complexity_info(
        model,
        (1,),
        input_constructor=lambda _: by_name,
        as_strings=False,
        print_per_layer_stat=False,
        backend="aten",
    )
    if macs is None:  # it printed the error and continued
        raise RuntimeError("it could not run the model")
    return Figures(int(params), int(macs))


def count_calflops(request: CountRequest) -> Figures:
    request.require_eval()
    make_importable()  # it imports transformers, and that torchvision
    calflops: Any = import_module("calflops")
    model, inputs, named = request.on("meta")
    _, macs, params = calflops.calculate_flops(
        model, args=list(inputs), kwargs=named, print_results=False, output_as_string=False
    )
    return Figures(int(params), int(macs))


_PRODUCTS = {"aten.mm", "aten.addmm", "aten.bmm"}
_CONVOLUTIONS = {"aten.convolution", "aten._convolution"}
_FLOP_COUNTER_MODE = _PRODUCTS | _CONVOLUTIONS | {
    "aten.baddbmm", "aten._scaled_mm", "aten.cudnn_convolution", "aten._slow_conv2d_forward",
    "aten.convolution_overrideable", "aten._scaled_dot_product_efficient_attention",
    "aten._scaled_dot_product_flash_attention", "aten._scaled_dot_product_cudnn_attention",
}  # fmt: skip


def flop_counter_mode(trace: Trace) -> Iterator[Difference]:
    return _unseen(trace, _FLOP_COUNTER_MODE)


def ptflops(trace: Trace) -> Iterator[Difference]:
    yield from _unseen(trace, _PRODUCTS | _CONVOLUTIONS)
    for op, path in _placed(trace):
        if op.name == "aten.addmm":
            value = op.outputs[0].numel
            yield Difference(path, "bias", "bias of linear layers: 1 per output element", value)
        elif op.name in _CONVOLUTIONS and Convolution.of(op).bias is not None:
            value = op.outputs[0].numel
            yield Difference(path, "bias", "bias of convolutions: 1 per output element", value)
    frozen = sum(p.numel for p in trace.parameters if not p.buffer and not p.trainable)
    yield Difference("", "unseen", "frozen parameters: not counted", -frozen, "params")


def _unseen(trace: Trace, counted: set[str]) -> Iterator[Difference]:
    for op, path in _placed(trace):
        if op.name.removesuffix("_") not in counted and (macs := macs_of(op)):
            name = op.name.removeprefix("aten.")
            yield Difference(path, "unseen", f"{name}: not counted", -macs)


def _placed(trace: Trace) -> Iterator[tuple[Op, str]]:
    paths = module_paths(trace)
    for op in trace.ops:
        yield op, paths[op.call] if op.call >= 0 else ""
