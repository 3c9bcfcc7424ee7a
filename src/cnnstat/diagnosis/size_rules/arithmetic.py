"""What goes element by element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...operators.broadcasting import broadcast
from ...operators.registry import Trait, traits_of
from ...trace.records import Op
from .rule import Misfit, Shape, ShapeOf, Unknown


def elementwise(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    """What makes of each element one: recognized by the recorded shapes, if it ran."""
    if not op.inputs:
        raise Unknown
    if op.outputs:
        try:
            recorded = broadcast([spec.shape for spec in op.inputs])
        except Misfit:
            raise Unknown from None
        if any(out.shape != recorded for out in op.outputs):
            raise Unknown
    elif Trait.ELEMENTWISE not in traits_of(op.name):
        raise Unknown
    return [broadcast([shape(spec) for spec in op.inputs])] * max(1, len(op.outputs))
