"""What a rule is: it is asked for the shapes that an operator makes, and may refuse to tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...operators.registry import Misfit, ShapeOf, Unknown
from ...results import Shape
from ...trace.records import Op
from ..literals import plain

__all__ = ["Misfit", "Rule", "Shape", "ShapeOf", "Unknown", "tuple_of"]

Rule = Callable[[Op, ShapeOf, "dict[str, Any] | None"], Sequence[Shape]]


def tuple_of(value: Any, length: int) -> tuple[int, ...]:
    value = plain(value)
    if isinstance(value, str):
        raise Unknown
    sizes = tuple(value) if isinstance(value, tuple | list) else (value,)
    return sizes * length if len(sizes) == 1 else sizes
