"""Norms, means, and what goes element by element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...operators.broadcasting import broadcast
from ...trace.records import Op
from ..literals import plain
from .rule import Misfit, Shape, ShapeOf, Unknown, tuple_of


def norm(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x = shape(op.args[0])
    if "layer_norm" in op.name:
        if settings is not None:
            normalized = tuple(plain(settings["normalized_shape"]))
        else:
            normalized = tuple(op.args[1])
        if x[len(x) - len(normalized) :] != normalized:
            raise Misfit
    else:
        for spec in op.inputs[1:]:
            if shape(spec) != (x[1],):
                raise Misfit
    return [x if out.shape == op.args[0].shape else out.shape for out in op.outputs] or [x]


def mean(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x = shape(op.args[0])
    dims = op.args[1] if len(op.args) > 1 and op.args[1] else range(len(x))
    dims = {dim % len(x) for dim in dims}
    if settings is not None and "output_size" in settings:  # what an adaptive pooling to 1 runs
        return [(*x[: -len(dims)], *tuple_of(settings["output_size"], len(dims)))]
    keep = bool(op.arg(2, "keepdim", False))
    return [tuple(1 if i in dims else n for i, n in enumerate(x) if keep or i not in dims)]


def elementwise(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    """What makes of each element one: recognized by the recorded shapes."""
    if not op.inputs:
        raise Unknown
    if op.outputs:
        try:
            recorded = broadcast([spec.shape for spec in op.inputs])
        except Misfit:
            raise Unknown from None
        if any(out.shape != recorded for out in op.outputs):
            raise Unknown
    elif op.name not in _ELEMENTWISE:
        raise Unknown
    return [broadcast([shape(spec) for spec in op.inputs])] * max(1, len(op.outputs))


_OPERATORS = ("add", "sub", "mul", "div", "where", "maximum", "minimum", "pow")
_ELEMENTWISE = {f"aten.{name}{end}" for name in _OPERATORS for end in ("", "_")}
