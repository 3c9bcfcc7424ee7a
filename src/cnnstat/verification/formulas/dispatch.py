"""What the counters count that watch operators being dispatched, as we do.

FlopCounterMode: `torch/utils/flop_counter.py`, whose flops are 2 per MAC and whose registry is
short. ptflops: `ptflops/aten_ops.py`, 0.7, its `aten` backend.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...operators.convolution import Convolution
from ...trace.records import Op, Trace
from ..differences import Difference, macs_of, module_paths

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
