"""Reading an expression from its plain text."""

from __future__ import annotations

import ast
from collections.abc import Callable

from .expressions import Number, letter
from .extremes import greatest, least


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
