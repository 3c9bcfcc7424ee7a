"""What an expression is where its letters have values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .atoms import Atom
from .expressions import Expr, Number
from .extremes import extreme


def at(number: Number, values: Mapping[str, Number]) -> Number:
    """The value where letters have these values; letters without one stay."""
    if not isinstance(number, Expr):
        return number
    total: Number = 0
    for product, factor in number.terms.items():
        value: Number = factor
        for atom, power in product:
            value = value * _at(atom, values) ** power
        total = total + value
    return total


def _at(atom: Atom, values: Mapping[str, Number]) -> Number:
    if atom.operation == "letter":
        return values.get(atom.name, Expr({((atom, 1),): 1}))
    arguments = [at(argument, values) for argument in atom.arguments]
    if atom.operation == "floor":
        return arguments[0] // arguments[1]
    return extreme(atom.operation, arguments)


def value_at(number: Number, values: Mapping[str, int]) -> int:
    """The number where all its letters have values."""
    value = at(number, values)
    if isinstance(value, Expr):
        missing = ", ".join(sorted(value.letters - values.keys()))
        raise ValueError(f"{number} has no value without one for {missing}")
    return value


def function_of(number: Expr, letters: Sequence[str]) -> Callable[..., int]:
    """The expression as a function of these letters, for many evaluations."""
    assert number.letters <= set(letters)
    function: Callable[..., int] = eval(f"lambda {', '.join(letters)}: {number}")  # our own text
    return function
