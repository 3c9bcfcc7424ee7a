"""Which rule goes with an operator, by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...operators.registry import definition_of, view_of
from ...trace.records import Op
from ..literals import plain
from . import arithmetic
from .rule import Rule, Shape, ShapeOf, Unknown


def rule_for(name: str) -> Rule:
    """The rule for an operator: its view's, or without one that of elementwise operators."""
    known = definition_of(name)
    if known is not None and known.view is not None:
        return _of_view
    return arithmetic.elementwise


def _of_view(op: Op, shape: ShapeOf, settings: dict[str, Any] | None) -> Sequence[Shape]:
    view = view_of(op)
    assert view is not None
    if settings is not None:
        given = {name: plain(value) for name, value in settings.items()}
        if isinstance(given.get("padding"), str):  # "same"
            raise Unknown
        if given.get("proj_size"):  # a projection is seldom what was forgotten: not searched for
            raise Unknown
        view = view.changed(given)
    return view.shapes(shape)
