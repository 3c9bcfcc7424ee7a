"""Sums of products with whole coefficients: their arithmetic, and what they are never below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from math import gcd
from typing import TypeAlias

from .atoms import Atom, Product, leading, order, text_of, times, without

Number: TypeAlias = "int | Expr"


class Expr:
    """A number that depends on letters. Made by `letter` and arithmetic, never changed."""

    def __init__(self, terms: Mapping[Product, int]) -> None:
        self.terms = dict(sorted(terms.items(), key=lambda item: order(item[0])))

    @cached_property
    def letters(self) -> frozenset[str]:
        return frozenset(_letters(self))

    @cached_property
    def _text(self) -> str:
        return text_of(self.terms)

    @property
    def constant(self) -> int:
        """The term without letters."""
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


def letter(name: str) -> Expr:
    return Expr({((Atom("letter", name), 1),): 1})


def lower_bound(number: Number, known: Mapping[Expr, int] | None = None) -> int | None:
    """A number that `number` is never below; None if there is none to be seen.

    `known` are bounds of expressions that hold beside that of letters, which are at least 1.
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
        if any(low is None or low < 0 for low in lows) or (factor < 0 and product):
            return None
        value = factor
        for low, (_, power) in zip(lows, product, strict=True):
            value *= (low or 0) ** power
        total += value
    return total


def _atom_low(atom: Atom, known: Mapping[Expr, int]) -> int | None:
    if atom.operation == "letter":
        return max(1, known.get(Expr({((atom, 1),): 1}), 1))
    whole = Expr({((atom, 1),): 1})
    if whole in known:
        return known[whole]
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
    kept = {product: factor for product, factor in terms.items() if factor}
    if not kept or set(kept) == {()}:
        return kept.get((), 0)
    if len(kept) > 1:
        for product, factor in kept.items():
            if len(product) == 1 and product[0][0].operation == "floor" and product[0][1] == 1:
                joined = _other_half(kept, product, factor)
                if joined is not None:
                    return joined
    return Expr(kept)


def _other_half(terms: Mapping[Product, int], half: Product, factor: int) -> Number | None:
    """The sum where −c·⌊n/2⌋ + c·n, which padding to an even size leaves, is c·⌈n/2⌉."""
    top, bottom = half[0][0].arguments
    if not isinstance(bottom, int) or bottom % 2:
        return None
    whole = _floor(top, bottom // 2)
    others = [product for product in _terms(whole) if product]
    if len(others) != 1 or _terms(whole)[others[0]] != 1 or terms.get(others[0]) != -factor:
        return None
    rest = _number({p: f for p, f in terms.items() if p not in (half, others[0])})
    constant = whole - _number({others[0]: 1})
    return rest + (_floor(whole + 1, 2) - constant) * -factor


def _letters(expr: Expr) -> Iterator[str]:
    for product in expr.terms:
        for atom, _ in product:
            if atom.operation == "letter":
                yield atom.name
            for argument in atom.arguments:
                if isinstance(argument, Expr):
                    yield from argument.letters


def _floor(a: Number, b: Number) -> Number:
    """⌊a/b⌋ in its one form: whole multiples of b outside, inner divisions folded in."""
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
    whole = _number(outside) + constant // b
    rest = _number({**inside, (): constant % b})
    if b == 1:
        return whole + rest
    folded = _unnested(rest)
    if folded is not None:  # ⌊(⌊x/a⌋ + r)/b⌋ = ⌊(x + a·r)/(a·b)⌋
        return whole + _floor(folded[0], folded[1] * b)
    return whole + Expr({((Atom("floor", "", rest, b), 1),): 1})


def _unnested(number: Number) -> tuple[Number, int] | None:
    """x + a·r and a, where the number is ⌊x/a⌋ + r and has no other division."""
    found = None
    for product, factor in _terms(number).items():
        for atom, power in product:
            if atom.operation == "letter":
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
    """⌊a/b⌋ by an expression: the quotient where it is exact."""
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
