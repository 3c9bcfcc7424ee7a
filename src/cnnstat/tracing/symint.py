"""Sizes that carry letters through torch: a `SymInt` whose node computes with `Expr`.

torch hands sizes that are `torch.SymInt` through its own code, as it does for its compiler, and
asks their node for arithmetic and for decisions. Our node has a value beside the expression (a
run is made at one legal size): every decision is taken by that value and noted as a condition on
the letters under which the run would have gone the same way.

This is the one file that knows what torch wants of a node; it is no public interface. A torch
that wants something else makes the run fail, and the caller then does without letters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch

from ..symbols.evaluation import greatest, least
from ..symbols.expressions import Expr, Number
from .path_conditions import Path


def size_of(path: Path, number: Number) -> Any:
    """The number as torch takes it."""
    if not isinstance(number, Expr):
        return number
    return torch.SymInt(Whole(path, number))  # type: ignore[no-untyped-call]  # no types


class _Node:
    """What torch asks of any node."""

    path: Path
    constant = None

    @property
    def _hint(self) -> Any:
        return self.hint

    @property
    def expr(self) -> Any:
        """Asked for to see whether a size depends on values: none does."""
        import sympy  # type: ignore[import-untyped]

        return sympy.sympify(self.hint)

    @property
    def hint(self) -> Any:
        raise NotImplementedError

    def is_int(self) -> bool:
        return isinstance(self, Whole)

    def is_float(self) -> bool:
        return isinstance(self, Broken)

    def is_bool(self) -> bool:
        return isinstance(self, Truth)

    def is_nested_int(self) -> bool:
        return False

    def has_hint(self) -> bool:
        return True

    def is_symbolic(self) -> bool:
        return True

    def is_constant(self) -> bool:
        return False

    def maybe_as_int(self) -> int | None:
        return None

    def clone(self) -> Any:
        return self

    def wrap_int(self, number: int) -> Whole:
        return Whole(self.path, number)

    def wrap_float(self, number: float) -> Broken:
        return Broken(self.path, Fraction(number))

    def wrap_bool(self, truth: bool) -> Truth:
        return Truth(self.path, lambda: truth)

    def str(self) -> str:
        return str(self)

    _graph_repr = str


class Whole(_Node):
    """A whole number."""

    def __init__(self, path: Path, number: Number) -> None:
        self.path = path
        self.number = number

    def __str__(self) -> str:
        return str(self.number)

    @property
    def hint(self) -> int:
        return self.path.value(self.number)

    def sym_sum(self, others: Any) -> Whole:
        return self._with(sum(other.number for other in others))

    def maybe_as_int(self) -> int | None:
        return self.number if isinstance(self.number, int) else None

    def int_(self) -> int:
        return self.guard_int("", 0)

    def guard_int(self, file: str, line: int) -> int:
        """torch or the model wants a plain number: what follows holds for this value alone."""
        value = self.path.value(self.number)
        self.path.decide("==", self.number - value)
        return value

    def _with(self, number: Number) -> Whole:
        return Whole(self.path, number)

    def add(self, other: Whole) -> Whole:
        return self._with(self.number + other.number)

    def sub(self, other: Whole) -> Whole:
        return self._with(self.number - other.number)

    def mul(self, other: Whole) -> Whole:
        return self._with(self.number * other.number)

    def floordiv(self, other: Whole) -> Whole:
        return self._with(self.number // other.number)

    int_floordiv = floordiv

    def mod(self, other: Whole) -> Whole:
        return self._with(self.number % other.number)

    def pow_by_natural(self, other: Whole) -> Whole:
        return self._with(self.number ** other.guard_int("", 0))

    pow = pow_by_natural

    def neg(self) -> Whole:
        return self._with(-self.number)

    def pos(self) -> Whole:
        return self

    def abs(self) -> Whole:
        return self if self.path.decide(">=", self.number) else self.neg()

    def sym_max(self, other: Whole) -> Whole:
        for one, two in ((self, other), (other, self)):
            if self.path.is_known(one.number - two.number):
                return one
        return self._with(greatest(self.number, other.number))

    def sym_min(self, other: Whole) -> Whole:
        for one, two in ((self, other), (other, self)):
            if self.path.is_known(two.number - one.number):
                return one
        return self._with(least(self.number, other.number))

    def floor(self) -> Whole:
        return self

    ceil = trunc = floor

    def round(self, digits: Any = None) -> Whole:
        return self

    def sym_float(self) -> Broken:
        return Broken(self.path, Fraction(1), self.number)

    def sym_int(self) -> Whole:
        return self

    def int_truediv(self, other: Whole) -> Broken:
        return self.sym_float().float_truediv(other.sym_float())

    truediv = int_truediv

    def _compared(self, relation: str, other: Whole) -> Truth:
        return Truth(self.path, lambda: self.path.decide(relation, self.number - other.number))

    def eq(self, other: Whole) -> Truth:
        return self._compared("==", other)

    def ne(self, other: Whole) -> Truth:
        return self._compared("!=", other)

    def ge(self, other: Whole) -> Truth:
        return self._compared(">=", other)

    def gt(self, other: Whole) -> Truth:
        return self._compared(">", other)

    def le(self, other: Whole) -> Truth:
        return self._compared("<=", other)

    def lt(self, other: Whole) -> Truth:
        return self._compared("<", other)

    # How a tensor lies in memory decides no shape: it is answered by the values and not noted.

    def is_contiguous(self, sizes: Any, strides: Any) -> Truth:
        return self._laid_out(sizes, strides, range(len(sizes) - 1, -1, -1))

    def is_channels_last_contiguous_2d(self, sizes: Any, strides: Any) -> Truth:
        return self._laid_out(sizes, strides, (1, 3, 2, 0))

    def is_channels_last_contiguous_3d(self, sizes: Any, strides: Any) -> Truth:
        return self._laid_out(sizes, strides, (1, 4, 3, 2, 0))

    is_channels_last_strides_2d = is_channels_last_contiguous_2d
    is_channels_last_strides_3d = is_channels_last_contiguous_3d

    def is_non_overlapping_and_dense(self, sizes: Any, strides: Any) -> Truth:
        by_stride = sorted(range(len(sizes)), key=lambda i: strides[i].hint)
        return self._laid_out(sizes, strides, by_stride)

    def _laid_out(self, sizes: Any, strides: Any, order: Any) -> Truth:
        lies = len(sizes) == len(list(order))
        step = 1
        for dim in order if lies else ():
            size = sizes[dim].hint
            lies = lies and (size == 1 or strides[dim].hint == step)
            step *= size
        return Truth(self.path, lambda: lies)


class Broken(_Node):
    """A number that need not be whole, until it is rounded: `factor` · `top` / `bottom`."""

    def __init__(self, path: Path, factor: Fraction, top: Number = 1, bottom: Number = 1) -> None:
        self.path = path
        self.factor = factor
        self.top = top
        self.bottom = bottom

    def __str__(self) -> str:
        return f"{self.factor}*{self.top}/{self.bottom}"

    @property
    def hint(self) -> float:
        return float(self.factor * self.path.value(self.top) / self.path.value(self.bottom))

    def guard_float(self, file: str, line: int) -> float:
        for number in (self.top, self.bottom):
            self.path.decide("==", number - self.path.value(number))
        return self.hint

    def _over(self) -> tuple[Number, Number]:
        return self.top * self.factor.numerator, self.bottom * self.factor.denominator

    def sym_float(self) -> Broken:
        return self

    def mul(self, other: Broken) -> Broken:
        return Broken(self.path, self.factor * other.factor, self.top * other.top,
                      self.bottom * other.bottom)  # fmt: skip

    def float_truediv(self, other: Broken) -> Broken:
        return self.mul(Broken(self.path, 1 / other.factor, other.bottom, other.top))

    truediv = float_truediv

    def add(self, other: Broken) -> Broken:
        (a, b), (c, d) = self._over(), other._over()
        return Broken(self.path, Fraction(1), a * d + c * b, b * d)

    def sub(self, other: Broken) -> Broken:
        return self.add(other.neg())

    def neg(self) -> Broken:
        return Broken(self.path, -self.factor, self.top, self.bottom)

    def float_pow(self, other: Broken) -> Broken:
        return self.wrap_float(self.guard_float("", 0) ** other.guard_float("", 0))

    pow = float_pow

    def floor(self) -> Whole:
        top, bottom = self._over()
        return Whole(self.path, top // bottom)

    def ceil(self) -> Whole:
        return self.neg().floor().neg()

    def trunc(self) -> Whole:
        return self.floor() if self.path.decide(">=", self._over()[0]) else self.ceil()

    sym_int = trunc

    def round(self, digits: Any = None) -> Any:
        if digits:
            return self.wrap_float(round(self.guard_float("", 0), digits))
        return self.wrap_int(round(self.guard_float("", 0)))

    def is_integer(self) -> Truth:
        top, bottom = self._over()
        return Whole(self.path, top % bottom).eq(self.wrap_int(0))

    def sym_max(self, other: Broken) -> Broken:
        return self if self._compared(">=", other).guard_bool("", 0) else other

    def sym_min(self, other: Broken) -> Broken:
        return other if self._compared(">=", other).guard_bool("", 0) else self

    def _compared(self, relation: str, other: Broken) -> Truth:
        (a, b), (c, d) = self._over(), other._over()  # denominators are positive
        return Truth(self.path, lambda: self.path.decide(relation, a * d - c * b))

    def eq(self, other: Broken) -> Truth:
        return self._compared("==", other)

    def ne(self, other: Broken) -> Truth:
        return self._compared("!=", other)

    def ge(self, other: Broken) -> Truth:
        return self._compared(">=", other)

    def gt(self, other: Broken) -> Truth:
        return self._compared(">", other)

    def le(self, other: Broken) -> Truth:
        return self._compared("<=", other)

    def lt(self, other: Broken) -> Truth:
        return self._compared("<", other)

    def sym_sqrt(self) -> Broken:
        return self.wrap_float(math.sqrt(self.guard_float("", 0)))


class Truth(_Node):
    """A decision that is still to be taken: it is noted when it is."""

    def __init__(self, path: Path, decide: Callable[[], bool]) -> None:
        self.path = path
        self._decide = decide

    def __str__(self) -> str:
        return "a condition"

    @property
    def hint(self) -> bool:
        return self._decide()

    def bool_(self) -> bool:
        return self._decide()

    def guard_bool(self, file: str, line: int) -> bool:
        return self._decide()

    expect_true = guard_size_oblivious = guard_or_false = guard_or_true = guard_bool
    statically_known_true = guard_bool

    def eq(self, other: Truth) -> Truth:
        return Truth(self.path, lambda: self._decide() == other._decide())

    def ne(self, other: Truth) -> Truth:
        return Truth(self.path, lambda: self._decide() != other._decide())

    def sym_and(self, other: Truth) -> Truth:
        return Truth(self.path, lambda: self._decide() and other._decide())

    def sym_or(self, other: Truth) -> Truth:
        return Truth(self.path, lambda: self._decide() or other._decide())

    and_, or_ = sym_and, sym_or

    def sym_not(self) -> Truth:
        return Truth(self.path, lambda: not self._decide())

    def sym_ite(self, one: Any, other: Any) -> Any:
        return one if self._decide() else other


def number_of(size: Any) -> Number:
    """What a size of torch's is here."""
    if isinstance(size, torch.SymInt):
        number: Number = size.node.number
        return number
    return int(size)
