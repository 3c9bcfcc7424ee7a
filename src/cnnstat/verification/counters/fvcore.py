"""fvcore's FlopCountAnalysis: `fvcore/nn/jit_handles.py` and `flop_count.py`, 0.1.5.

Its "flop" is a multiply–accumulate. It walks a `torch.jit` graph; an operator without a handle
counts 0. It runs on zeros on the CPU, because torch's `meta` kernels fail under `torch.jit.trace`,
where sizes are tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from math import floor, prod
from typing import Any

from ...operators.convolution import Convolution
from ...operators.einsum import Einsum
from ...operators.linear import Matmul
from ...operators.normalization import Norm
from ...operators.pooling import AdaptivePool
from ...operators.registry import view_of
from ...trace.records import Op, Trace
from ..differences import Difference, Figures
from ..results import Cause
from .sandbox import CountRequest
from .structure import UNUSED, Unit, units


def count(request: CountRequest) -> Figures:
    fvcore: Any = import_module("fvcore.nn")
    model, inputs = request.positional("cpu")
    model.requires_grad_(False)
    analysis = fvcore.FlopCountAnalysis(model, inputs)
    inclusive = {path: round(flops) for path, flops in analysis.by_module().items()}
    macs = dict(inclusive)
    for path, flops in inclusive.items():
        if path:
            macs[path.rpartition(".")[0]] -= flops
    return Figures(
        params=fvcore.parameter_count(model)[""],
        macs=round(analysis.total()),
        macs_by_module=macs,
        unsupported=dict(analysis.unsupported_ops()),
    )


Handle = Callable[[Op], int]


def differences(trace: Trace) -> Iterator[Difference]:
    for unit in units(trace):
        handle = _HANDLES.get(unit.name)
        value = (handle(unit.op) if handle and unit.used else 0) - unit.macs
        if value:
            yield Difference(unit.path, *_cause(unit, handle is not None), value)


def _cause(unit: Unit, counted: bool) -> tuple[Cause, str]:
    name, op = unit.name, unit.op
    if not unit.used:
        return UNUSED
    if not counted:
        return "unseen", f"{_NAMES.get(name, name)}: not counted"
    if name in _NORMS:
        factor = _norm(op) // max(1, op.outputs[0].numel)
        return "norm", f"{name.replace('_', ' ')}: {factor} per element"
    return _CAUSES.get(name, ("formula", f"{name}: another formula"))


_NORMS = ("batch_norm", "instance_norm", "layer_norm", "group_norm")
_NAMES = {"_convolution_mode": "convolution with padding='same' or 'valid'"}
_CAUSES: dict[str, tuple[Cause, str]] = {
    "adaptive_avg_pool2d": ("pooling", "adaptive average pooling: 1 per input element"),
    "upsample_nearest2d": ("resizing", "nearest upsampling: 1 per output element"),
    "upsample_bilinear2d": ("resizing", "bilinear upsampling: 4 per output element"),
    "grid_sampler": ("resizing", "grid sampling: 4 per output element"),
    "einsum": ("formula", "einsum: NumPy's estimate, to four digits"),
    "matmul": ("formula", "matmul: a broadcast batch counted once"),
}


def _product(op: Op) -> int:  # [*,n,k] @ [*,k,m], with the batch of the left operand
    product = Matmul.of(op)
    return product.a.numel * product.b.shape[-1]


def _linear(op: Op) -> int:
    product = Matmul.of(op)
    return product.a.numel * product.b.shape[0]


def _convolution(op: Op) -> int:
    view = Convolution.of(op)
    return view.x.shape[0] * view.weight.numel * prod(view.positions)


def _norm(op: Op) -> int:
    norm = view_of(op)
    assert isinstance(norm, Norm)
    fixed = op.name == "aten.batch_norm" and not norm.statistics  # for batch norm only
    return norm.x.numel * ((1 if fixed else 4) + (norm.weight is not None))


def _output(factor: int) -> Handle:
    return lambda op: factor * op.outputs[0].numel


def _einsum(op: Op) -> int:
    """Two equations exactly; otherwise the cost that NumPy prints for the best order."""
    import numpy as np

    view = Einsum.of(op)
    shapes, equation = [tensor.shape for tensor in view.operands], view.equation
    labels = dict.fromkeys(label for label in equation if label.isalpha())
    equation = equation.translate({ord(old): 97 + new for new, old in enumerate(labels)})
    if equation in ("abc,abd->acd", "abc,adc->adb"):
        return int(prod(shapes[0]) * shapes[1][2 if equation == "abc,abd->acd" else 1])
    operands = [np.broadcast_to(np.float64(0), shape) for shape in shapes]
    report = str(np.einsum_path(equation, *operands, optimize="optimal")[1])
    line = next(line for line in report.splitlines() if "optimized flop" in line.lower())
    return floor(float(line.split(":")[-1]) / 2)


_HANDLES: dict[str, Handle] = {
    "addmm": _product,
    "bmm": _product,
    "mm": _product,
    "matmul": _product,
    "linear": _linear,
    "convolution": _convolution,
    "einsum": _einsum,
    **dict.fromkeys(_NORMS, _norm),
    "upsample_nearest2d": _output(1),
    "upsample_bilinear2d": _output(4),
    "grid_sampler": _output(4),
    "adaptive_avg_pool2d": lambda op: AdaptivePool.of(op).x.numel,
}
