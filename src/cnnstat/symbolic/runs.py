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
class Piece:
    """A run with letters: the shapes that it tells, and the conditions under which they hold."""

    conditions: Sequence[Condition]
    shapes_at: Callable[[Values], Shapes]
    layers: Sequence[str]
    """The layers by the index of their call."""


class OneLetter:
    """A piece as it depends on one letter, the others standing still."""

    def __init__(self, letter: str, base: Values, piece: Piece, start: int | None = None) -> None:
        self.letter, self.base, self.piece = letter, base, piece
        self.start = base[letter] if start is None else start
        others = {name: size for name, size in base.items() if name != letter}
        self.conditions: list[Condition] = []
        self.holds: list[tuple[str, Callable[..., int]]] = []
        for condition in piece.conditions:
            number = at(condition.number, others)
            if not isinstance(number, int):
                self.conditions.append(condition)
                self.holds.append((condition.relation, function_of(number, [letter])))
        self.benign: set[int] = set()
        self.refused: set[tuple[int, bool]] = set()

    def broken(self, size: int) -> int | None:
        """The first condition that does not hold at a size, if any."""
        return next(self._broken(size), None)

    def all_broken(self, size: int) -> list[int]:
        return list(self._broken(size))

    def _broken(self, size: int) -> Iterator[int]:
        for index, (relation, function) in enumerate(self.holds):
            if index not in self.benign:
                value = function(size)
                if not (value >= 0 if relation == ">=" else (value == 0) == (relation == "==")):
                    yield index

    def broken_at(self, size: int) -> int:
        """The first condition that does not hold, where one is known not to."""
        broken = self.broken(size)
        assert broken is not None
        return broken

    def refuses(self, broken: int, size: int) -> bool:
        return (broken, size > self.start) in self.refused

    def joint(self) -> Iterator[Joint]:
        """The equations that refuse sizes and bind the letter to another."""
        for index in sorted({index for index, _ in self.refused}):
            condition = self.conditions[index]
            if condition.relation == "==" and len(condition.number.letters) > 1:
                layer = self.piece.layers[condition.call] if condition.call >= 0 else ""
                yield Joint(str(condition.number), layer)

    def shapes_at(self, size: int) -> Shapes:
        return self.piece.shapes_at({**self.base, self.letter: size})


def shapes_at(trace: Trace, values: Values) -> Shapes:
    """The outputs of all calls of a run with letters, at some sizes."""
    return tuple(
        tuple(tuple(value_at(n, values) for n in tensor.shape) for tensor in call.outputs)
        for call in trace.calls
    )
