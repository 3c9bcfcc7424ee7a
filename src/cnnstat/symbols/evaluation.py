"""Functions of expressions: maximum and minimum, parsing, and evaluation at sizes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from .atoms import Atom
from .expressions import Expr, Number, lower_bound, symbol


def greatest(*numbers: Number) -> Number:
    return extreme("max", numbers)


def least(*numbers: Number) -> Number:
    return extreme("min", numbers)


def extreme(operation: Literal["max", "min"], numbers: tuple[Number, ...] | list[Number]) -> Number:
    """The maximum or minimum, without the arguments that can never be it."""
    sign = 1 if operation == "max" else -1
    extremes: list[Number] = []
    for number in numbers:
        if any(_never_below((k - number) * sign) for k in extremes):
            continue
        extremes = [k for k in extremes if not _never_below((number - k) * sign)] + [number]
    if len(extremes) == 1:
        return extremes[0]
    return Expr({((Atom(operation, "", *sorted(extremes, key=str)), 1),): 1})


def _never_below(difference: Number) -> bool:
    low = lower_bound(difference)
    return low is not None and low >= 0


def parse(text: str) -> Number:
    """Read the plain text of an expression.

    Raises:
        ValueError: the text is not an expression.
    """
    try:
        return _parsed(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, KeyError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"{text!r} is no expression") from error


def _parsed(node: ast.expr) -> Number:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name):
        return symbol(node.id)
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
    """Substitute values for symbols; symbols without a value remain."""
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
    if atom.operation == "symbol":
        return values.get(atom.name, Expr({((atom, 1),): 1}))
    arguments = [at(argument, values) for argument in atom.arguments]
    if atom.operation == "floor":
        return arguments[0] // arguments[1]
    return extreme(atom.operation, arguments)


def value_at(number: Number, values: Mapping[str, int]) -> int:
    """The number with a value for each of its symbols.

    Raises:
        ValueError: a symbol has no value.
    """
    value = at(number, values)
    if isinstance(value, Expr):
        missing = ", ".join(sorted(value.symbols - values.keys()))
        raise ValueError(f"{number} has no value without one for {missing}")
    return value


def function_of(number: Expr, symbols: Sequence[str]) -> Callable[..., int]:
    """The expression compiled to a function of these symbols, for many evaluations."""
    assert number.symbols <= set(symbols)
    # eval is safe here: the text is that of an Expr, not a user's
    function: Callable[..., int] = eval(f"lambda {', '.join(symbols)}: {number}")
    return function
