"""The greatest and the least of several numbers."""

from __future__ import annotations

from typing import Literal

from .atoms import Atom
from .expressions import Expr, Number, lower_bound


def greatest(*numbers: Number) -> Number:
    return extreme("max", numbers)


def least(*numbers: Number) -> Number:
    return extreme("min", numbers)


def extreme(operation: Literal["max", "min"], numbers: tuple[Number, ...] | list[Number]) -> Number:
    """Only those that may be the extreme are kept, each once."""
    sign = 1 if operation == "max" else -1
    kept: list[Number] = []
    for number in numbers:
        if any(_never_below((k - number) * sign) for k in kept):
            continue
        kept = [k for k in kept if not _never_below((number - k) * sign)] + [number]
    if len(kept) == 1:
        return kept[0]
    return Expr({((Atom(operation, "", *sorted(kept, key=str)), 1),): 1})


def _never_below(difference: Number) -> bool:
    low = lower_bound(difference)
    return low is not None and low >= 0
