"""Expressions in mathematical notation: `⌊(H−11)/4⌋+1`, `11,616·⌊(H−7)/4⌋·⌊(W−7)/4⌋`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from .atoms import Atom, Product
from .evaluation import at
from .expressions import Expr, Number, symbol

Shifts = dict[Atom, int]
"""Constants moved into divisions: ⌊(H+1)/4⌋−2 is ⌊(H−7)/4⌋, a shift of −2."""


def format_number(number: Number, steps: Mapping[str, int] | None = None) -> str:
    """The number in mathematical notation; `str(number)` is the plain text that `parse` reads.

    `steps` are known divisors of symbols: with 2 for H, ⌊H/2⌋ is written H/2.
    """
    if not isinstance(number, Expr):
        return f"{number:,}".replace("-", "−")
    if steps and (text := _divisible(number, steps)) is not None:
        return text
    return _window(number) or _sum(*_fewest_terms(number.terms))


def format_equation(number: Expr) -> str:
    """`number` = 0 with its constant on the right: `256·⌊(H−29)/32⌋·⌊(W−29)/32⌋ = 9,216`."""
    terms, shifts = _fewest_terms(number.terms)
    left = {product: factor for product, factor in terms.items() if product}
    if all(factor < 0 for factor in left.values()):
        left = {product: -factor for product, factor in left.items()}
        return f"{_sum(left, shifts)} = {format_number(terms.get((), 0))}"
    return f"{_sum(left, shifts)} = {format_number(-terms.get((), 0))}"


def format_symbolic_shape(sizes: Sequence[Number], steps: Mapping[str, int] | None = None) -> str:
    """`1×96×(⌊(H−11)/4⌋+1)×…`, with sums in brackets."""
    texts = []
    for size in sizes:
        text = str(size) if isinstance(size, int) else format_number(size, steps)
        texts.append(f"({text})" if isinstance(size, Expr) and _is_sum(text) else text)
    return "×".join(texts) or "scalar"


def _sum(terms: Mapping[Product, int], shifts: Shifts) -> str:
    text = ""
    space = " " if len(terms) > 1 and _is_long(terms) else ""
    for product, factor in sorted(terms.items(), key=lambda term: _coarseness(term[0])):
        sign = "−" if factor < 0 else "+" if text else ""
        gap = space if text else ""
        text += f"{gap}{sign}{gap}{_product(product, abs(factor), shifts)}"
    return text or "0"


def _coarseness(product: Product) -> tuple[int, int, str]:
    """The order of terms: high degrees first, then symbols before halves before quarters."""
    divisors = [
        atom.arguments[1] for atom, _ in product
        if atom.operation == "floor" and isinstance(atom.arguments[1], int)
    ]  # fmt: skip
    degree = sum(power for _, power in product)
    return -degree, max(divisors, default=0), " ".join(atom.key for atom, _ in product)


def _divisible(number: Expr, steps: Mapping[str, int]) -> str | None:
    """The number as a polynomial in the symbols, given their divisors; None if divisions remain."""
    multiple = at(number, {name: symbol(name) * step for name, step in steps.items()})
    if isinstance(multiple, int):
        return format_number(multiple)
    parts = []
    for product, factor in sorted(multiple.terms.items(), key=lambda term: _coarseness(term[0])):
        if any(atom.operation != "symbol" for atom, _ in product):
            return None
        share = Fraction(factor)
        for atom, power in product:
            share /= steps.get(atom.name, 1) ** power
        text = _product(product, abs(share.numerator), {})
        text += f"/{share.denominator}" if share.denominator > 1 else ""
        parts.append(("−" if share < 0 else "+", text))
    text = parts[0][1] if parts[0][0] == "+" else "−" + parts[0][1]
    gap = " " if _is_long(multiple.terms) else ""
    return text + "".join(f"{gap}{sign}{gap}{part}" for sign, part in parts[1:])


def _is_sum(text: str) -> bool:
    depth = 0
    for place, sign in enumerate(text):
        depth += (sign in "(⌊⌈") - (sign in ")⌋⌉")
        if depth == 0 and sign in "+−" and place:
            return True
    return False


def _window(number: Expr) -> str | None:
    """The number of window positions, ⌊(H−11)/4⌋+1, which shows the smallest size that fits."""
    terms = dict(number.terms)
    constant = terms.pop((), 0)
    if len(terms) != 1:
        return None
    ((product, factor),) = terms.items()
    if factor != 1 or len(product) != 1 or product[0][1] != 1 or product[0][0].operation != "floor":
        return None
    top, bottom = product[0][0].arguments
    if not isinstance(bottom, int) or not isinstance(top, Expr):
        return None
    offset = top.constant + constant * bottom
    if offset >= 0:
        return None
    return f"{_quotient(top - top.constant, offset - bottom, bottom)}+1"


def _quotient(rest: Number, constant: int, bottom: int) -> str:
    if constant >= 0 and constant % bottom == bottom - 1:
        more = constant // bottom
        return f"⌈{_bracketed(rest + more * bottom)}/{bottom}⌉"
    return f"⌊{_bracketed(rest + constant)}/{bottom}⌋"


def _bracketed(number: Number) -> str:
    text = format_number(number)
    return f"({text})" if _is_sum(text) else text


def _is_long(terms: Mapping[Product, int]) -> bool:
    return any(len(product) > 1 for product in terms)


def _product(product: Product, factor: int, shifts: Shifts) -> str:
    parts = [] if factor == 1 and product else [f"{factor:,}"]
    for atom, power in sorted(product, key=_place):
        text = _atom(atom, shifts.get(atom, 0))
        parts.append(text + {1: "", 2: "²", 3: "³"}.get(power, f"^{power}"))
    return "·".join(parts)


def _place(factor: tuple[Atom, int]) -> tuple[bool, int, str]:
    """The order of factors: symbols first, of these the batch, then channels, then sides: N·H·W."""
    atom, _ = factor
    return atom.operation != "symbol", "NBTLC".find(atom.name) % 9, atom.key


def _atom(atom: Atom, shift: int) -> str:
    if atom.operation == "symbol":
        return atom.name if not shift else f"({atom.name}{shift:+})".replace("-", "−")
    if atom.operation != "floor":
        return f"{atom.operation}({', '.join(map(format_number, atom.arguments))})"
    top, bottom = atom.arguments
    if isinstance(bottom, int) and isinstance(top, Expr):
        constant = top.constant + shift * bottom
        return _quotient(top - top.constant, constant, bottom)
    text = f"⌊{_bracketed(top)}/{_bracketed(bottom)}⌋"
    return f"({text}{shift:+})".replace("-", "−") if shift else text


def _fewest_terms(terms: Mapping[Product, int]) -> tuple[Mapping[Product, int], Shifts]:
    """The sum with shifted divisions, so that products factor: hw−3h−3w+9 is (h−3)·(w−3).

    The search is greedy and its result depends on the order of the atoms, so they are tried in the
    order of the terms: that of a set would change with the hash seed.
    """
    shifts: Shifts = {}
    improved = True
    while improved:
        improved = False
        for atom in dict.fromkeys(atom for product in terms for atom, _ in product):
            for shift in dict.fromkeys(_candidates(terms, atom)):
                moved = _moved(terms, atom, shift)
                if len(moved) < len(terms):
                    terms, improved = moved, True
                    shifts[atom] = shifts.get(atom, 0) - shift
    return terms, shifts


def _candidates(terms: Mapping[Product, int], atom: Atom) -> Iterator[int]:
    """The shifts c for which r·x − c·r is among the terms: writing x−c for x removes one."""
    for product, factor in terms.items():
        power = dict(product).get(atom, 0)
        if not power or _stays(atom, product):
            continue
        lower = tuple((a, p - (a == atom)) for a, p in product if p > (a == atom))
        lower_factor = terms.get(lower, 0)
        if lower_factor and lower_factor % (factor * power) == 0:
            yield -lower_factor // (factor * power)


def _stays(atom: Atom, product: Product) -> bool:
    """Whether a shift of the atom would not shorten the text."""
    alone = len(product) == 1 and product[0][1] == 1
    return atom.operation in ("max", "min") or (atom.operation == "symbol" and alone)


def _moved(terms: Mapping[Product, int], atom: Atom, shift: int) -> dict[Product, int]:
    """The sum with atom + shift substituted for the atom."""
    x = Expr({((atom, 1),): 1})
    total: Number = 0
    for product, factor in terms.items():
        value: Number = factor
        for other, power in product:
            base: Number = x + shift if other == atom else Expr({((other, 1),): 1})
            value = value * base**power
        total = total + value
    return total.terms if isinstance(total, Expr) else {(): total}
