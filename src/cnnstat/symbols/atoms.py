"""The factors of an expression: symbols and operations, and products of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .expressions import Number

Operation = Literal["symbol", "floor", "max", "min"]


class Atom:
    """A symbol (`name`), or an operation on expressions."""

    __slots__ = ("__weakref__", "arguments", "key", "name", "operation")

    def __init__(self, operation: Operation, name: str, *arguments: Number) -> None:
        self.operation = operation
        self.name = name
        self.arguments = arguments
        self.key = name if operation == "symbol" else _atom_text(operation, arguments)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Atom) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return self.key


Product = tuple[tuple[Atom, int], ...]
"""Atoms with their powers, sorted by key; empty for the constant."""


def times(a: Product, b: Product) -> Product:
    powers = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda item: item[0].key))


def without(product: Product, divisor: Product) -> Product | None:
    """The product divided by another; None if it is not divisible."""
    powers = dict(product)
    for atom, power in divisor:
        powers[atom] = powers.get(atom, 0) - power
    if min(powers.values(), default=0) < 0:
        return None
    return tuple((atom, power) for atom, power in powers.items() if power)


@lru_cache(maxsize=10_000)
def order(product: Product) -> tuple[int, list[tuple[str, int]]]:
    """High degrees first, the constant last."""
    return -sum(power for _, power in product), [(atom.key, -power) for atom, power in product]


def leading(terms: Mapping[Product, int]) -> int:
    return terms[min(terms, key=order)]


def text_of(terms: Mapping[Product, int]) -> str:
    text = ""
    for product, factor in terms.items():
        factors = [atom.key + (f"**{power}" if power > 1 else "") for atom, power in product]
        if abs(factor) != 1 or not factors:
            factors.insert(0, str(abs(factor)))
        sign = ("-" if factor < 0 else "") if not text else (" - " if factor < 0 else " + ")
        text += sign + "*".join(factors)
    return text


def _atom_text(operation: str, arguments: tuple[Number, ...]) -> str:
    if operation == "floor":
        a, b = arguments
        bottom = str(b) if isinstance(b, int) or _is_symbol(b) else f"({b})"
        return f"({a if isinstance(a, int) or _is_symbol(a) else f'({a})'}//{bottom})"
    return f"{operation}({', '.join(map(str, arguments))})"


def _is_symbol(number: Number) -> bool:
    return str(number).isidentifier()
