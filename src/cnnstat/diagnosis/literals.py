"""Numbers that record which literals of the user's source they were computed from.

`32 * 5 * 5` is 800, and as a `TrackedInt` it is also the expression over the three literals. So the
text behind an argument of a layer is known, and the literals that would give another value.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_LARGEST = 1 << 20  # the largest literal that is tried


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a source file: lines from 1, columns in bytes of UTF-8 from 0, as `ast` has them.

    `file` is empty for an argument of the model, whose name is `argument`.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    argument: str = ""

    def contains(self, other: Span) -> bool:
        """Whether `other` is inside."""
        return (
            self.file == other.file
            and (self.line, self.column) <= (other.line, other.column)
            and (other.end_line, other.end_column) <= (self.end_line, self.end_column)
        )


@dataclass(frozen=True, slots=True)
class Literal:
    span: Span
    value: int | float


@dataclass(frozen=True, slots=True)
class Expression:
    """`function` of `operands`, which are expressions, literals or plain numbers."""

    function: Callable[..., Any]
    operands: tuple[Any, ...]


def literals_in(origin: Any) -> Iterator[Literal]:
    """The literals that an origin is computed from, in order, each as often as it occurs."""
    if isinstance(origin, Literal):
        yield origin
    elif isinstance(origin, Expression):
        for operand in origin.operands:
            yield from literals_in(operand)


def evaluated(origin: Any, values: Mapping[Literal, int | float]) -> int | float:
    """The value of an origin with other values for some literals.

    Raises:
        ArithmeticError, ValueError: it has none, as after a division by zero.
    """
    if isinstance(origin, Literal):
        return values.get(origin, origin.value)
    if isinstance(origin, Expression):
        result: int | float = origin.function(*(evaluated(o, values) for o in origin.operands))
        return result
    return origin  # type: ignore[no-any-return]  # a plain number


def solved(
    origin: Any, literal: Literal, target: int, others: Sequence[Literal] = ()
) -> int | None:
    """The integer that `literal` must be for `origin` to be `target`; None if there is none.

    The literals `others` change with it: both sides of a map in `32 * 5 * 5`. Only dependences that
    are linear or proportional to a power are solved.
    """
    if not isinstance(literal.value, int):
        return None
    now, step, together = literal.value, 1, (literal, *others)

    def at(value: int) -> int | float:
        return evaluated(origin, dict.fromkeys(together, value))

    try:
        here = at(now)
        slope = at(now + step) - here
    except (ArithmeticError, ValueError, TypeError):
        return None
    # A guess for each kind of dependence, verified below; rounded both ways, for `//`.
    guesses = []
    if slope:
        guesses.append(now + (target - here) / slope)
    if here:
        guesses.append(now * target / here)
        if target / here > 0:  # a side may be squared under one name
            powers = {1 / len(together), 1 / 2}
            guesses += [now * (target / here) ** power for power in powers]
    for guess in guesses:
        for value in {math.floor(guess), math.ceil(guess)}:
            if abs(value) > _LARGEST:
                continue
            try:
                if at(value) == target:
                    return value
            except (ArithmeticError, ValueError, TypeError):
                continue
    return None


def origin_of(value: Any) -> Any:
    """The expression of a tracked number, the number itself of a plain one."""
    return value.origin if isinstance(value, TrackedInt | TrackedFloat) else value


def tracked(value: Any, origin: Any) -> Any:
    """`value` with its origin; anything but a number is returned as it is."""
    if type(value) is int or type(value) is TrackedInt:
        number = TrackedInt(value)
    elif type(value) is float or type(value) is TrackedFloat:
        number = TrackedFloat(value)  # type: ignore[assignment]  # both have an origin
    else:
        return value
    number.origin = origin
    return number


def plain(value: Any) -> Any:
    """The number without its origin, inside tuples and lists too."""
    if isinstance(value, TrackedInt):
        return int.__int__(value)
    if isinstance(value, TrackedFloat):
        return float.__float__(value)
    if type(value) in (tuple, list):
        return type(value)(plain(item) for item in value)
    return value


class TrackedInt(int):
    """An `int` with its origin, which arithmetic passes on."""

    origin: Any

    def __copy__(self) -> TrackedInt:
        return self

    def __deepcopy__(self, memo: Any) -> TrackedInt:
        return self

    def __reduce__(self) -> Any:
        return int, (int.__int__(self),)


class TrackedFloat(float):
    """Likewise a `float`."""

    origin: Any

    def __copy__(self) -> TrackedFloat:
        return self

    def __deepcopy__(self, memo: Any) -> TrackedFloat:
        return self

    def __reduce__(self) -> Any:
        return float, (float.__float__(self),)


def applied(function: Callable[..., Any], *operands: Any) -> Any:
    """`function` of numbers, tracked if one of them is."""
    result = function(*map(plain, operands))
    if not any(isinstance(value, TrackedInt | TrackedFloat) for value in operands):
        return result
    return tracked(result, Expression(function, tuple(map(origin_of, operands))))


def _track_binary(cls: type, name: str, function: Callable[..., Any]) -> None:
    def forward(self: Any, other: Any) -> Any:
        if not isinstance(other, int | float) or isinstance(other, bool):
            return NotImplemented  # a tensor or a list has its own arithmetic with numbers
        return applied(function, self, other)

    def backward(self: Any, other: Any) -> Any:
        if not isinstance(other, int | float) or isinstance(other, bool):
            return NotImplemented
        return applied(function, other, self)

    setattr(cls, f"__{name}__", forward)
    setattr(cls, f"__r{name}__", backward)


def _track_unary(cls: type, name: str, function: Callable[..., Any]) -> None:
    setattr(cls, f"__{name}__", lambda self: applied(function, self))


# Messages of torch and of the model name the type of an argument: it is the user's.
TrackedInt.__name__ = TrackedInt.__qualname__ = "int"
TrackedFloat.__name__ = TrackedFloat.__qualname__ = "float"

for _cls in (TrackedInt, TrackedFloat):
    _cls.__module__ = "builtins"
    for _name in ("add", "sub", "mul", "floordiv", "truediv", "mod", "pow"):
        _track_binary(_cls, _name, getattr(operator, _name))
    for _name in ("neg", "pos", "abs"):
        _track_unary(_cls, _name, getattr(operator, _name))
