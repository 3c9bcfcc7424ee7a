"""The path of a symbolic run: each decision that depends on a size, recorded as a condition."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ...symbols.evaluation import value_at
from ...symbols.expressions import Expr, Number, lower_bound
from ...trace.records import Condition


@dataclass
class Path:
    """The values of the symbolic dimensions in a run, and the conditions met so far."""

    values: Mapping[str, int]
    conditions: list[Condition] = field(default_factory=list)
    place: Callable[[], int] = lambda: -1
    _known: dict[Expr, int] = field(default_factory=dict)
    _ranges: dict[Expr, tuple[float, float]] = field(default_factory=dict)
    _recorded: set[tuple[str, Number]] = field(default_factory=set)

    def value(self, number: Number) -> int:
        return value_at(number, self.values)

    def decide(self, relation: str, number: Number) -> bool:
        """Whether the relation of `number` to 0 is true, by its value here.

        It becomes a condition unless those so far already decide it.
        """
        if isinstance(number, int):
            return _RELATIONS[relation](number, 0)
        low, high = self._bounds(number)
        for decided, answer in _DECIDED[relation](low, high):
            if decided:
                return answer
        is_true = _RELATIONS[relation](self.value(number), 0)
        self._record(relation if is_true else _OPPOSITE[relation], number)
        return is_true

    def _bounds(self, number: Expr) -> tuple[float, float]:
        """The smallest and largest possible value under the conditions so far."""
        if number not in self._ranges:
            low, high = lower_bound(number, self._known), lower_bound(-number, self._known)
            self._ranges[number] = (
                -math.inf if low is None else low,
                math.inf if high is None else -high,
            )
        return self._ranges[number]

    def is_known(self, number: Number) -> bool:
        """Whether the conditions so far imply that `number` is not negative."""
        low = self._bounds(number)[0] if isinstance(number, Expr) else number
        return low >= 0

    def _record(self, relation: str, number: Expr) -> None:
        if relation in ("<", "<="):
            relation, number = _FLIPPED[relation], -number  # type: ignore[assignment]  # an Expr
        if relation == ">":
            relation, number = ">=", number - 1  # type: ignore[assignment]  # an Expr
        if (relation, number) in self._recorded:
            return
        self._recorded.add((relation, number))
        self.conditions.append(Condition(relation, number, self.place()))  # type: ignore[arg-type]  # one of the Literal
        if relation == ">=":
            rest = number - number.constant
            if isinstance(rest, Expr):
                self._ranges.clear()
                self._known[rest] = max(-number.constant, self._known.get(rest, -number.constant))


_RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq, "!=": operator.ne, ">=": operator.ge, ">": operator.gt,
    "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_OPPOSITE = {"==": "!=", "!=": "==", ">=": "<", ">": "<=", "<": ">=", "<=": ">"}
_FLIPPED = {"<": ">", "<=": ">="}
_DECIDED: dict[str, Callable[[float, float], list[tuple[bool, bool]]]] = {
    ">=": lambda low, high: [(low >= 0, True), (high < 0, False)],
    ">": lambda low, high: [(low > 0, True), (high <= 0, False)],
    "<": lambda low, high: [(high < 0, True), (low >= 0, False)],
    "<=": lambda low, high: [(high <= 0, True), (low > 0, False)],
    "==": lambda low, high: [(low > 0 or high < 0, False)],
    "!=": lambda low, high: [(low > 0 or high < 0, True)],
}
