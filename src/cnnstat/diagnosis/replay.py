"""The shapes that a recorded operator makes with other operands or settings: nothing is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..operators.broadcasting import broadcast
from ..operators.misfit import Misfit, Unknown
from ..operators.registry import ShapeOf, Trait, traits_of, view_of
from ..results import Shape
from ..trace.records import Op
from .literals import plain


def replayed(op: Op, shape: ShapeOf, settings: Mapping[str, Any] | None) -> Sequence[Shape]:
    """The shapes of the outputs, by the operator's view, or as of an elementwise operator.

    Args:
        shape: the shape that each operand has now.
        settings: those of the layer, if they are changed.

    Raises:
        Misfit: the operator would be refused.
        Unknown: the record does not say.
    """
    view = view_of(op)
    if view is None:
        return _elementwise(op, shape)
    if settings is not None:
        given = {name: plain(value) for name, value in settings.items()}
        if isinstance(given.get("padding"), str):  # "same"
            raise Unknown
        if given.get("proj_size"):  # a projection is seldom what was forgotten: not searched for
            raise Unknown
        view = view.changed(given)
    return view.shapes(shape)


def _elementwise(op: Op, shape: ShapeOf) -> Sequence[Shape]:
    """An operator without a view is elementwise if its recorded shapes are, or its trait."""
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
