"""Sums of products with integer coefficients: arithmetic, floor division and lower bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from math import gcd
from typing import TypeAlias

from .atoms import Atom, Product, leading, order, text_of, times, without

Number: TypeAlias = "int | Expr"


class Expr:
    """An immutable integer expression, created by `symbol` and arithmetic."""

    def __init__(self, terms: Mapping[Product, int]) -> None:
        self.terms = dict(sorted(terms.items(), key=lambda item: order(item[0])))

    @cached_property
    def symbols(self) -> frozenset[str]:
        return frozenset(_symbols_in(self))

    @cached_property
    def _text(self) -> str:
        return text_of(self.terms)

    @property
    def constant(self) -> int:
        """The term without symbols."""
        return self.terms.get((), 0)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expr) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __add__(self, other: Number) -> Number:
        terms = dict(self.terms)
        for product, factor in _terms(other).items():
            terms[product] = terms.get(product, 0) + factor
        return _number(terms)

    __radd__ = __add__

    def __neg__(self) -> Number:
        return self * -1

    def __sub__(self, other: Number) -> Number:
        return self + other * -1

    def __rsub__(self, other: Number) -> Number:
        return self * -1 + other

    def __mul__(self, other: Number) -> Number:
        terms: dict[Product, int] = {}
        for a, m in self.terms.items():
            for b, n in _terms(other).items():
                product = times(a, b)
                terms[product] = terms.get(product, 0) + m * n
        return _number(terms)

    __rmul__ = __mul__

    def __pow__(self, power: int) -> Number:
        result: Number = 1
        for _ in range(power):
            result = result * self
        return result

    def __floordiv__(self, other: Number) -> Number:
        return _floor(self, other)

    def __rfloordiv__(self, other: int) -> Number:
        return _floor(other, self)

    def __mod__(self, other: Number) -> Number:
        return self - (self // other) * other

    def __rmod__(self, other: int) -> Number:
        return other - (other // self) * self

    def __bool__(self) -> bool:
        raise TypeError(f"whether {self} is 0 depends on its letters")


def symbol(name: str) -> Expr:
    return Expr({((Atom("symbol", name), 1),): 1})


def lower_bound(number: Number, known: Mapping[Expr, int] | None = None) -> int | None:
    """A lower bound of `number`; None if none can be derived.

    `known` are lower bounds of expressions, in addition to those of symbols, which are at least 1.
    """
    if isinstance(number, int):
        return number
    known = known or {}
    if number in known:
        return known[number]
    rest = number - number.constant
    if isinstance(rest, Expr) and rest in known:
        return known[rest] + number.constant
    total = 0
    for product, factor in number.terms.items():
        lows = [_atom_low(atom, known) for atom, _ in product]
        # a negative term would need an upper bound, a product of negative factors both bounds
        if any(low is None or low < 0 for low in lows) or (factor < 0 and product):
            return None
        value = factor
        for low, (_, power) in zip(lows, product, strict=True):
            value *= (low or 0) ** power
        total += value
    return total


def _atom_low(atom: Atom, known: Mapping[Expr, int]) -> int | None:
    if atom.operation == "symbol":
        return max(1, known.get(Expr({((atom, 1),): 1}), 1))
    expression = Expr({((atom, 1),): 1})
    if expression in known:
        return known[expression]
    lows = [lower_bound(argument, known) for argument in atom.arguments]
    if atom.operation == "floor":
        top, bottom = lows[0], atom.arguments[1]
        if top is None or not isinstance(bottom, int):
            return 0 if top is not None and top >= 0 and (lows[1] or 0) > 0 else None
        return top // bottom
    sure = [low for low in lows if low is not None]
    if atom.operation == "max":
        return max(sure, default=None)
    return min(sure) if len(sure) == len(lows) else None


def _terms(number: Number) -> Mapping[Product, int]:
    return number.terms if isinstance(number, Expr) else {(): number}


def _number(terms: Mapping[Product, int]) -> Number:
    nonzero = {product: factor for product, factor in terms.items() if factor}
    if not nonzero or set(nonzero) == {()}:
        return nonzero.get((), 0)
    if len(nonzero) > 1:  # a sum may contain both halves of c·⌈n/2⌉
        for product, factor in nonzero.items():
            if len(product) == 1 and product[0][0].operation == "floor" and product[0][1] == 1:
                joined = _other_half(nonzero, product, factor)
                if joined is not None:
                    return joined
    return Expr(nonzero)


def _other_half(terms: Mapping[Product, int], half: Product, factor: int) -> Number | None:
    """The sum with −c·⌊n/2⌋ + c·n, the result of padding to an even size, as c·⌈n/2⌉."""
    top, bottom = half[0][0].arguments
    if not isinstance(bottom, int) or bottom % 2:
        return None
    quotient = _floor(top, bottom // 2)
    others = [product for product in _terms(quotient) if product]
    if len(others) != 1 or _terms(quotient)[others[0]] != 1 or terms.get(others[0]) != -factor:
        return None
    rest = _number({p: f for p, f in terms.items() if p not in (half, others[0])})
    constant = quotient - _number({others[0]: 1})
    return rest + (_floor(quotient + 1, 2) - constant) * -factor


def _symbols_in(expr: Expr) -> Iterator[str]:
    for product in expr.terms:
        for atom, _ in product:
            if atom.operation == "symbol":
                yield atom.name
            for argument in atom.arguments:
                if isinstance(argument, Expr):
                    yield from argument.symbols


def _floor(a: Number, b: Number) -> Number:
    """⌊a/b⌋ in canonical form: multiples of b are taken out, nested divisions folded into one.

    Expressions are compared by their text, so equal quotients must be reduced to the same form.
    """
    if not isinstance(b, int):
        return _divided(a, b)
    if b < 0:
        return _floor(-a, -b)
    if isinstance(a, int):
        return a // b
    # ⌊(b·q + r)/b⌋ = q + ⌊r/b⌋, term by term
    outside = {p: f // b for p, f in a.terms.items() if f % b == 0 and p}
    inside = {p: f for p, f in a.terms.items() if f % b or not p}
    constant = inside.pop((), 0)
    if not inside:
        return _number(outside) + constant // b
    # ⌊(g·r + c)/(g·b)⌋ = ⌊(r + ⌊c/g⌋)/b⌋
    common = gcd(b, *inside.values())
    inside, constant, b = (
        {p: f // common for p, f in inside.items()},
        constant // common,
        b // common,
    )
    if leading(inside) < 0:  # ⌊(c − r)/b⌋ = −⌈(r − c)/b⌉
        turned = _number({p: -f for p, f in inside.items()}) - constant + b - 1
        return _number(outside) - _floor(turned, b)
    quotient = _number(outside) + constant // b
    rest = _number({**inside, (): constant % b})
    if b == 1:
        return quotient + rest
    folded = _unnested(rest)
    if folded is not None:  # ⌊(⌊x/a⌋ + r)/b⌋ = ⌊(x + a·r)/(a·b)⌋
        return quotient + _floor(folded[0], folded[1] * b)
    return quotient + Expr({((Atom("floor", "", rest, b), 1),): 1})


def _unnested(number: Number) -> tuple[Number, int] | None:
    """(x + a·r, a) for a number of the form ⌊x/a⌋ + r without other divisions; else None."""
    found = None
    for product, factor in _terms(number).items():
        for atom, power in product:
            if atom.operation == "symbol":
                continue
            if atom.operation != "floor" or found or factor != 1 or power != 1 or len(product) > 1:
                return None
            found = atom, product
    if found is None or not isinstance(found[0].arguments[1], int):
        return None
    (inner, divisor), product = found[0].arguments, found[1]
    assert isinstance(divisor, int)
    rest = _number({p: f for p, f in _terms(number).items() if p != product})
    return inner + rest * divisor, divisor


def _divided(a: Number, b: Expr) -> Number:
    """⌊a/b⌋ with a symbolic b: polynomial division if it leaves no remainder, else an atom."""
    quotient: Number = 0
    rest: Number = a
    lead, factor = next(iter(b.terms.items()))
    while isinstance(rest, Expr):
        product, amount = next(iter(rest.terms.items()))
        part = without(product, lead)
        if part is None or amount % factor:
            break
        step = _number({part: amount // factor})
        quotient, rest = quotient + step, rest - b * step
    if rest == 0:
        return quotient
    if isinstance(rest, int) and 0 < rest < (lower_bound(b) or 0):
        return quotient
    return Expr({((Atom("floor", "", a, b), 1),): 1})
