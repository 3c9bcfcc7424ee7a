"""Formulas that are written with symbols or with numbers, and evaluated.

>>> n, k, s = symbol("n", 224), symbol("k", 11), symbol("s", 4)
>>> size = floor((n - k) / s) + 1
>>> size.formula, size.numbers, size.value
('⌊(n − k) / s⌋ + 1', '⌊(224 − 11) / 4⌋ + 1', 54)
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Union

from ..units import format_exact

_BINDS = {"+": 1, "−": 1, "·": 2, "/": 2}
_STRONGEST = 3
_BRACKETS = {"floor": ("⌊", "⌋"), "ceil": ("⌈", "⌉")}


@dataclass(frozen=True, slots=True)
class Expression:
    """A number, a symbol for another expression, or an operation on one or two."""

    operation: str  # "number", "symbol", "floor", "ceil" or the sign of an operation
    operands: tuple[Expression, ...] = ()
    number: Fraction = Fraction(0)
    name: str = ""

    def __add__(self, other: Operand) -> Expression:
        return Expression("+", (self, number(other)))

    def __sub__(self, other: Operand) -> Expression:
        return Expression("−", (self, number(other)))

    def __mul__(self, other: Operand) -> Expression:
        return Expression("·", (self, number(other)))

    def __rmul__(self, other: Operand) -> Expression:
        return Expression("·", (number(other), self))

    def __truediv__(self, other: Operand) -> Expression:
        return Expression("/", (self, number(other)))

    def __floordiv__(self, other: Operand) -> Expression:
        return floor(self / other)

    def ceil_div(self, other: Operand) -> Expression:
        return ceil(self / other)

    @property
    def value(self) -> int | float:
        exact = self._exact()
        return int(exact) if exact.denominator == 1 else float(exact)

    @property
    def formula(self) -> str | None:
        """With symbols; None if there are none."""
        return self._text(True) if self.symbols else None

    @property
    def numbers(self) -> str:
        return self._text(False)

    @property
    def symbols(self) -> dict[str, int | float]:
        """The value of each symbol."""
        if self.operation == "symbol":
            return {self.name: self.operands[0].value}
        return {name: value for part in self.operands for name, value in part.symbols.items()}

    def _exact(self) -> Fraction:
        parts = [part._exact() for part in self.operands]
        match self.operation:
            case "number":
                return self.number
            case "symbol":
                return parts[0]
            case "floor":
                return Fraction(math.floor(parts[0]))
            case "ceil":
                return Fraction(math.ceil(parts[0]))
            case "+":
                return parts[0] + parts[1]
            case "−":
                return parts[0] - parts[1]
            case "·":
                return parts[0] * parts[1]
            case _:
                return parts[0] / parts[1]

    def _text(self, named: bool) -> str:
        if self.operation == "number":
            return written(self.number)
        if self.operation == "symbol":
            return self.name if named else self.operands[0]._text(False)
        if self.operation in _BRACKETS:
            left, right = _BRACKETS[self.operation]
            return f"{left}{self.operands[0]._text(named)}{right}"
        first, second = self.operands
        return (
            f"{first._inside(self.operation, named, False)} {self.operation} "
            f"{second._inside(self.operation, named, True)}"
        )

    def _inside(self, around: str, named: bool, second: bool) -> str:
        """The text as an operand of another operation, in parentheses where it needs them."""
        shown = self
        while shown.operation == "symbol" and not named:
            shown = shown.operands[0]
        text, binds = shown._text(named), _BINDS.get(shown.operation, _STRONGEST)
        if shown.operation == "number":
            return f"({text})" if shown.number < 0 else text
        # a · b / c and a / b · c get parentheses: not every reader knows that they go left to right
        mixed = binds == _BINDS[around] and "/" in (shown.operation, around)
        reversed_ = second and binds == _BINDS[around] and around in "−/"
        return f"({text})" if binds < _BINDS[around] or mixed or reversed_ else text


Operand = Union[Expression, int, Fraction]  # noqa: UP007  `|` needs a class that exists


def number(value: Operand | float) -> Expression:
    return value if isinstance(value, Expression) else Expression("number", number=Fraction(value))


def symbol(name: str, value: Operand) -> Expression:
    """A symbol and its value, which may be an expression itself: rows = 2 · 5."""
    return Expression("symbol", (number(value),), name=name)


def floor(inside: Expression) -> Expression:
    return Expression("floor", (inside,))


def ceil(inside: Expression) -> Expression:
    return Expression("ceil", (inside,))


def product(factors: Iterable[Operand]) -> Expression:
    """1 if there are no factors."""
    terms = [number(factor) for factor in factors] or [number(1)]
    return reduce(lambda a, b: a * b, terms)


def total(terms: Iterable[Operand | float]) -> Expression:
    return reduce(lambda a, b: a + b, [number(term) for term in terms])


def written(value: int | float | Fraction) -> str:
    """A number as formulas print it: 34,848, 2.5, and a third as 1/3."""
    exact = Fraction(value)
    if exact.denominator == 1:
        return format_exact(int(exact)).replace("-", "−")
    return f"{float(exact):g}" if Fraction(f"{float(exact):g}") == exact else f"{exact}"


# The symbols of the formulas, and their meanings

AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
SIDES = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}
KERNELS = {1: ("k",), 2: ("k_h", "k_w"), 3: ("k_d", "k_h", "k_w")}

MEANINGS = {
    "n": "size of the input along the axis",
    "m": "size of the output along the axis",
    "k": "kernel: the window's size along the axis",
    "k_d": "depth of the kernel",
    "k_h": "height of the kernel",
    "k_w": "width of the kernel",
    "s": "stride",
    "p": "padding on either side",
    "q": "padding on both sides together",
    "d": "dilation",
    "l": "least common multiple of stride and dilation",
    "a": "output padding",
    "f": "scale factor",
    "N": "examples in the batch",
    "L": "length of the input",
    "D": "depth of the input",
    "H": "height of the input",
    "W": "width of the input",
    "L_out": "length of the output",
    "D_out": "depth of the output",
    "H_out": "height of the output",
    "W_out": "width of the output",
    "c": "channels",
    "c_in": "channels of the input",
    "c_out": "channels of the output",
    "g": "groups",
    "in": "features of the input",
    "out": "features of the output",
    "rows": "vectors that the layer is applied to",
    "E": "features of a token",
    "V": "entries of the table",
    "A": "rows of the first matrix",
    "B": "columns of the second matrix",
    "C": "columns of the first matrix, rows of the second",
    "M": "matrices in the batch",
    "T": "time steps",
    "G": "gates: 4 in an LSTM, 3 in a GRU, 1 in an RNN",
    "x": "features of the layer's input",
    "h": "hidden features",
    "y": "features that the layer hands on",
    "directions": "2 for both ways, else 1",
    "b": "examples × heads",
    "t": "queries",
    "u": "keys",
    "w": "features of a query",
    "v": "features of a value",
    "r": "receptive field of the layer's input",
    "j": "jump of the input: pixels between what two neighbours see",
}
