"""The way that a run with letters takes: each decision by a size, noted as a condition."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..symbols.evaluation import value_at
from ..symbols.expressions import Expr, Number, lower_bound
from ..trace.records import Condition


@dataclass
class Path:
    """The values that the letters have in this run, and the conditions that it has met."""

    values: Mapping[str, int]
    conditions: list[Condition] = field(default_factory=list)
    place: Callable[[], int] = lambda: -1
    _known: dict[Expr, int] = field(default_factory=dict)
    _between: dict[Expr, tuple[float, float]] = field(default_factory=dict)
    _seen: set[tuple[str, Number]] = field(default_factory=set)

    def value(self, number: Number) -> int:
        return value_at(number, self.values)

    def decide(self, relation: str, number: Number) -> bool:
        """Whether `number` stands in the relation to 0, by its value here."""
        if isinstance(number, int):
            return _HOLDS[relation](number, 0)
        low, high = self._bounds(number)
        for sure, answer in _SURE[relation](low, high):
            if sure:
                return answer
        holds = _HOLDS[relation](self.value(number), 0)
        self._note(relation if holds else _OPPOSITE[relation], number)
        return holds

    def _bounds(self, number: Expr) -> tuple[float, float]:
        """Between what the number lies, by the conditions so far."""
        if number not in self._between:
            low, high = lower_bound(number, self._known), lower_bound(-number, self._known)
            self._between[number] = (
                -math.inf if low is None else low,
                math.inf if high is None else -high,
            )
        return self._between[number]

    def is_known(self, number: Number) -> bool:
        """Whether `number` is not negative wherever the conditions so far hold."""
        low = self._bounds(number)[0] if isinstance(number, Expr) else number
        return low >= 0

    def _note(self, relation: str, number: Expr) -> None:
        if relation in ("<", "<="):
            relation, number = _TURNED[relation], -number  # type: ignore[assignment]
        if relation == ">":
            relation, number = ">=", number - 1  # type: ignore[assignment]
        if (relation, number) in self._seen:
            return
        self._seen.add((relation, number))
        self.conditions.append(Condition(relation, number, self.place()))  # type: ignore[arg-type]
        if relation == ">=":
            rest = number - number.constant
            if isinstance(rest, Expr):
                self._between.clear()
                self._known[rest] = max(-number.constant, self._known.get(rest, -number.constant))


_HOLDS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq, "!=": operator.ne, ">=": operator.ge, ">": operator.gt,
    "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_OPPOSITE = {"==": "!=", "!=": "==", ">=": "<", ">": "<=", "<": ">=", "<=": ">"}
_TURNED = {"<": ">", "<=": ">="}
_SURE: dict[str, Callable[[float, float], list[tuple[bool, bool]]]] = {
    ">=": lambda low, high: [(low >= 0, True), (high < 0, False)],
    ">": lambda low, high: [(low > 0, True), (high <= 0, False)],
    "<": lambda low, high: [(high < 0, True), (low >= 0, False)],
    "<=": lambda low, high: [(high <= 0, True), (low > 0, False)],
    "==": lambda low, high: [(low > 0 or high < 0, False)],
    "!=": lambda low, high: [(low > 0 or high < 0, True)],
}
