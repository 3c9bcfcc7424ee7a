"""torchprofile's profile_macs: `torchprofile/handlers.py`, 0.1.

It walks a `torch.jit` graph, and like fvcore it runs on zeros on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from math import prod
from typing import Any

from ...operators.convolution import Convolution
from ...operators.einsum import Einsum
from ...operators.normalization import Norm
from ...operators.registry import view_of
from ...operators.resizing import GridSampler
from ...trace.records import Op, Trace
from ..differences import Difference, Figures
from ..results import Cause
from .sandbox import CountRequest
from .structure import UNUSED, Unit, units


def count(request: CountRequest) -> Figures:
    torchprofile: Any = import_module("torchprofile")
    model, inputs = request.positional("cpu")
    model.requires_grad_(False)
    nodes = torchprofile.profile_macs(model, inputs, reduction=None)
    scalars = [macs for node, macs in nodes.items() if _is_of_scalars(node)]
    what = "products of scalars: sizes too, as torch.jit sees it"
    stated = Difference("", "elementwise", what, sum(scalars))
    return Figures(None, sum(nodes.values()), stated=(stated,))


def _is_of_scalars(node: Any) -> bool:
    return node.operator == "aten::mul" and not node.outputs[0].shape


_AS_WE_DO = frozenset({
    "linear", "matmul", "addmm", "addmv", "bmm", "baddbmm", "scaled_dot_product_attention",
})  # fmt: skip


def differences(trace: Trace) -> Iterator[Difference]:
    for unit in units(trace):
        value = (_theirs(unit) if unit.used else 0) - unit.macs
        if value:
            yield Difference(unit.path, *_cause(unit), value)


def _theirs(unit: Unit) -> int:
    if unit.name in _AS_WE_DO:
        return unit.macs
    return _HANDLERS[unit.name](unit.op) if unit.name in _HANDLERS else 0


def _cause(unit: Unit) -> tuple[Cause, str]:
    name = unit.name
    if not unit.used:
        return UNUSED
    if name not in _HANDLERS:
        return "unseen", f"{name}: not counted"
    return next((cause for names, cause in _CAUSES.items() if name in names.split()))


_CAUSES: dict[str, tuple[Cause, str]] = {
    "batch_norm instance_norm layer_norm group_norm": ("norm", "norms: 1 per element"),
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d avg_pool1d avg_pool2d avg_pool3d "
    "mean": ("pooling", "average pooling and means: 1 per output element"),
    "mul": ("elementwise", "products of elements: 1 per element"),
    "leaky_relu": ("activation", "leaky ReLU: 1 per element"),
    "upsample_bilinear2d": ("resizing", "bilinear upsampling: 4 per output element"),
    "grid_sampler": ("resizing", "grid sampling: 4 or 16 per output element"),
    "convolution": ("formula", "transposed convolutions: output for input positions"),
    "einsum": ("formula", "einsum: the product of all sizes"),
    "lstm": ("formula", "LSTM: other than weights × steps"),
}


def _output(op: Op) -> int:
    return op.outputs[0].numel


def _norm(op: Op) -> int:
    norm = view_of(op)
    return _output(op) if isinstance(norm, Norm) and norm.weight is not None else 0


def _convolution(op: Op) -> int:
    out, weight = op.outputs[0], Convolution.of(op).weight.shape
    transposed = out.shape[1] != weight[0]
    return out.numel * weight[0 if transposed else 1] * prod(weight[2:])


def _lstm(op: Op) -> int:
    x, (out, state) = op.inputs[0], op.outputs[:2]  # packed sequences too
    hidden = state.shape[-1]
    directions = out.shape[-1] // hidden
    layers = state.shape[0] // directions
    inputs = x.shape[-1] + (layers - 1) * hidden * directions  # of all layers
    return int(prod(out.shape[:2]) * directions * 4 * hidden * (inputs + layers * hidden))


def _einsum(op: Op) -> int:
    view = Einsum.of(op)
    if "..." in view.equation:
        return 0
    sizes: dict[str, int] = {}
    for subscripts, tensor in zip(view.subscripts, view.operands, strict=True):
        sizes.update(zip(subscripts, tensor.shape, strict=True))
    return prod(sizes.values())


def _grid_sampler(op: Op) -> int:
    per_element = {"bilinear": 4, "nearest": 0, "bicubic": 16}
    return per_element[GridSampler.of(op).interpolation] * _output(op)


_HANDLERS: dict[str, Callable[[Op], int]] = {
    **dict.fromkeys(
        ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "avg_pool1d",
         "avg_pool2d", "avg_pool3d", "mean", "leaky_relu"],
        _output,
    ),
    **dict.fromkeys(["batch_norm", "instance_norm", "layer_norm", "group_norm"], _norm),
    "upsample_bilinear2d": lambda op: 4 * _output(op),
    "grid_sampler": _grid_sampler,
    "convolution": _convolution,
    "einsum": _einsum,
    "lstm": _lstm,
    # Products of scalars are in `Figures.stated`: most are sizes, which our trace does not have.
    "mul": lambda op: _output(op) if op.outputs[0].shape else 0,
}  # fmt: skip
