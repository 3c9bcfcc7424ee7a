"""How figures grow: by what factor when a size doubles."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from .results import FIGURES, GrowthRate, ScalePoint


def growth_of(points: Sequence[ScalePoint]) -> GrowthRate | None:
    """The factor per doubling, from the first point that runs to the last; None for fewer than two.

    y ∝ x^p grows by 2^p: p = log(yₙ/y₁) / log(xₙ/x₁).
    """
    known = [point for point in points if point.reason is None and is_number(point.value)]
    if len(known) < 2:
        return None
    first, last = known[0], known[-1]
    if first.value <= 0 or last.value <= 0 or first.value == last.value:
        return None
    doublings = log2(last.value / first.value)
    factors = {}
    for name in FIGURES:
        low, high = getattr(first, name), getattr(last, name)
        factors[name] = 2 ** (log2(high / low) / doublings) if low and high else None
    return GrowthRate(first.value, last.value, **factors)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
