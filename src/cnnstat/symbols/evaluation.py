"""Expressions read from text and evaluated, and the greatest and least of several numbers."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from .atoms import Atom
from .expressions import Expr, Number, letter, lower_bound


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


def parse(text: str) -> Number:
    """Read the plain text of an expression.

    Raises:
        ValueError: it is none.
    """
    try:
        return _parsed(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, KeyError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"{text!r} is no expression") from error


def _parsed(node: ast.expr) -> Number:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name):
        return letter(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_parsed(node.operand)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _CALLS[node.func.id](*map(_parsed, node.args))
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_parsed(node.left), _parsed(node.right))
    raise SyntaxError(f"{ast.dump(node)} has no place in an expression")


_CALLS: dict[str, Callable[..., Number]] = {"max": greatest, "min": least}
_OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: lambda a, b: a**b if isinstance(b, int) else _no_power(b),
}


def _no_power(exponent: Number) -> Number:
    raise TypeError(f"{exponent} is no power")


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
