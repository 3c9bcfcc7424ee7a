"""Runs of a model: plain ones, and symbolic ones with the conditions under which they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..symbols.evaluation import at, function_of, value_at
from ..trace.records import Condition, Trace
from .results import Joint

Values = Mapping[str, int]
Shapes = tuple[tuple[tuple[int, ...], ...], ...]
"""The outputs of all calls of a run, in order."""


@dataclass(frozen=True)
class Outcome:
    """A plain run at some sizes: its shapes, or the layer and the reason of its failure."""

    shapes: Shapes | None
    layer: str = ""
    reason: str = ""


@dataclass(frozen=True)
class SymbolicRun:
    """A run with symbolic sizes: its shapes as functions of them, valid where `conditions` hold."""

    conditions: Sequence[Condition]
    shapes_at: Callable[[Values], Shapes]
    layers: Sequence[str]
    """The layers by the index of their call."""


class RestrictedRun:
    """A symbolic run as a function of one dimension, with the others fixed at `base`.

    Conditions are named by their index. `benign` are those that do not affect shapes, `refused`
    those whose violation makes the model fail, each with the side of `start` on which it does.
    """

    def __init__(
        self, dimension: str, base: Values, run: SymbolicRun, start: int | None = None
    ) -> None:
        self.dimension, self.base, self.run = dimension, base, run
        self.start = base[dimension] if start is None else start
        others = {name: size for name, size in base.items() if name != dimension}
        self.conditions: list[Condition] = []
        self._functions: list[tuple[str, Callable[..., int]]] = []
        for condition in run.conditions:
            number = at(condition.number, others)
            if not isinstance(number, int):
                self.conditions.append(condition)
                self._functions.append((condition.relation, function_of(number, [dimension])))
        self.benign: set[int] = set()
        self.refused: set[tuple[int, bool]] = set()

    def violated(self, size: int) -> int | None:
        """The first condition that does not hold at a size; None if all do."""
        return next(self._violated(size), None)

    def all_violated(self, size: int) -> list[int]:
        return list(self._violated(size))

    def _violated(self, size: int) -> Iterator[int]:
        for index, (relation, function) in enumerate(self._functions):
            if index not in self.benign:
                try:
                    value = function(size)
                except ZeroDivisionError:  # the condition is undefined, so it does not hold
                    yield index
                    continue
                if not (value >= 0 if relation == ">=" else (value == 0) == (relation == "==")):
                    yield index

    def first_violated(self, size: int) -> int:
        """As `violated`, at a size where at least one condition does not hold."""
        index = self.violated(size)
        assert index is not None
        return index

    def refuses(self, condition: int, size: int) -> bool:
        return (condition, size > self.start) in self.refused

    def joint_conditions(self) -> Iterator[Joint]:
        """The equations that refuse sizes and relate the dimension to another."""
        for index in sorted({index for index, _ in self.refused}):
            condition = self.conditions[index]
            if condition.relation == "==" and len(condition.number.symbols) > 1:
                layer = self.run.layers[condition.call] if condition.call >= 0 else ""
                yield Joint(str(condition.number), layer)

    def shapes_at(self, size: int) -> Shapes:
        return self.run.shapes_at({**self.base, self.dimension: size})


def shapes_at(trace: Trace, values: Values) -> Shapes:
    """The outputs of all calls of a symbolic run, evaluated at some sizes.

    Empty where they are undefined, which happens only at sizes for which the run does not stand.
    """
    try:
        return tuple(
            tuple(tuple(value_at(n, values) for n in tensor.shape) for tensor in call.outputs)
            for call in trace.calls
        )
    except ZeroDivisionError:
        return ()
