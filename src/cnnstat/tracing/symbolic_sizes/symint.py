"""Symbolic sizes for torch: `SymInt`s whose nodes compute with `Expr`.

torch passes `torch.SymInt` sizes through its own code, as for its compiler, and calls their node
for arithmetic and decisions. Our nodes have a value beside the expression (the run uses one valid
size). Each decision is made by the value, and recorded as a condition on the symbolic dimensions:
where it is met, the run takes the same path.

Only this file knows the interface of a node, which is not public. If another torch needs another
method, the run fails, and the caller goes on without symbolic dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch

from ...symbols.evaluation import greatest, least
from ...symbols.expressions import Expr, Number
from .path_conditions import Path


def size_of(path: Path, number: Number) -> Any:
    """A number as a size for torch."""
    if not isinstance(number, Expr):
        return number
    return torch.SymInt(SymIntNode(path, number))  # type: ignore[no-untyped-call]  # no types


class _SymNode:
    """The methods that torch calls on any node."""

    path: Path
    constant = None

    @property
    def _hint(self) -> Any:
        return self.hint

    @property
    def expr(self) -> Any:
        """torch reads it to find sizes that depend on values; none does."""
        import sympy  # type: ignore[import-untyped]  # it declares no types

        return sympy.sympify(self.hint)

    @property
    def hint(self) -> Any:
        raise NotImplementedError

    def is_int(self) -> bool:
        return isinstance(self, SymIntNode)

    def is_float(self) -> bool:
        return isinstance(self, SymFloatNode)

    def is_bool(self) -> bool:
        return isinstance(self, SymBoolNode)

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

    def wrap_int(self, number: int) -> SymIntNode:
        return SymIntNode(self.path, number)

    def wrap_float(self, number: float) -> SymFloatNode:
        return SymFloatNode(self.path, Fraction(number))

    def wrap_bool(self, value: bool) -> SymBoolNode:
        return SymBoolNode(self.path, lambda: value)

    def str(self) -> str:
        return str(self)

    _graph_repr = str


class SymIntNode(_SymNode):
    """An integer."""

    def __init__(self, path: Path, number: Number) -> None:
        self.path = path
        self.number = number

    def __str__(self) -> str:
        return str(self.number)

    @property
    def hint(self) -> int:
        return self.path.value(self.number)

    def sym_sum(self, others: Any) -> SymIntNode:
        return self._with(sum(other.number for other in others))

    def maybe_as_int(self) -> int | None:
        return self.number if isinstance(self.number, int) else None

    def int_(self) -> int:
        return self.guard_int("", 0)

    def guard_int(self, file: str, line: int) -> int:
        """A plain number for torch or the model: the run is valid for this value alone."""
        value = self.path.value(self.number)
        self.path.decide("==", self.number - value)
        return value

    def _with(self, number: Number) -> SymIntNode:
        return SymIntNode(self.path, number)

    def add(self, other: SymIntNode) -> SymIntNode:
        return self._with(self.number + other.number)

    def sub(self, other: SymIntNode) -> SymIntNode:
        return self._with(self.number - other.number)

    def mul(self, other: SymIntNode) -> SymIntNode:
        return self._with(self.number * other.number)

    def floordiv(self, other: SymIntNode) -> SymIntNode:
        return self._with(self.number // other.number)

    int_floordiv = floordiv

    def mod(self, other: SymIntNode) -> SymIntNode:
        return self._with(self.number % other.number)

    def pow_by_natural(self, other: SymIntNode) -> SymIntNode:
        return self._with(self.number ** other.guard_int("", 0))

    pow = pow_by_natural

    def neg(self) -> SymIntNode:
        return self._with(-self.number)

    def pos(self) -> SymIntNode:
        return self

    def abs(self) -> SymIntNode:
        return self if self.path.decide(">=", self.number) else self.neg()

    def sym_max(self, other: SymIntNode) -> SymIntNode:
        for one, two in ((self, other), (other, self)):
            if self.path.is_known(one.number - two.number):
                return one
        return self._with(greatest(self.number, other.number))

    def sym_min(self, other: SymIntNode) -> SymIntNode:
        for one, two in ((self, other), (other, self)):
            if self.path.is_known(two.number - one.number):
                return one
        return self._with(least(self.number, other.number))

    def floor(self) -> SymIntNode:
        return self

    ceil = trunc = floor

    def round(self, digits: Any = None) -> SymIntNode:
        return self

    def sym_float(self) -> SymFloatNode:
        return SymFloatNode(self.path, Fraction(1), self.number)

    def sym_int(self) -> SymIntNode:
        return self

    def int_truediv(self, other: SymIntNode) -> SymFloatNode:
        return self.sym_float().float_truediv(other.sym_float())

    truediv = int_truediv

    def _compared(self, relation: str, other: SymIntNode) -> SymBoolNode:
        return SymBoolNode(
            self.path, lambda: self.path.decide(relation, self.number - other.number)
        )

    def eq(self, other: SymIntNode) -> SymBoolNode:
        return self._compared("==", other)

    def ne(self, other: SymIntNode) -> SymBoolNode:
        return self._compared("!=", other)

    def ge(self, other: SymIntNode) -> SymBoolNode:
        return self._compared(">=", other)

    def gt(self, other: SymIntNode) -> SymBoolNode:
        return self._compared(">", other)

    def le(self, other: SymIntNode) -> SymBoolNode:
        return self._compared("<=", other)

    def lt(self, other: SymIntNode) -> SymBoolNode:
        return self._compared("<", other)

    # The layout in memory decides no shape, so the values decide and no condition is recorded.

    def is_contiguous(self, sizes: Any, strides: Any) -> SymBoolNode:
        return self._laid_out(sizes, strides, range(len(sizes) - 1, -1, -1))

    def is_channels_last_contiguous_2d(self, sizes: Any, strides: Any) -> SymBoolNode:
        return self._laid_out(sizes, strides, (1, 3, 2, 0))

    def is_channels_last_contiguous_3d(self, sizes: Any, strides: Any) -> SymBoolNode:
        return self._laid_out(sizes, strides, (1, 4, 3, 2, 0))

    is_channels_last_strides_2d = is_channels_last_contiguous_2d
    is_channels_last_strides_3d = is_channels_last_contiguous_3d

    def is_non_overlapping_and_dense(self, sizes: Any, strides: Any) -> SymBoolNode:
        by_stride = sorted(range(len(sizes)), key=lambda i: strides[i].hint)
        return self._laid_out(sizes, strides, by_stride)

    def _laid_out(self, sizes: Any, strides: Any, order: Any) -> SymBoolNode:
        is_dense = len(sizes) == len(list(order))
        step = 1
        for dim in order if is_dense else ():
            size = sizes[dim].hint
            is_dense = is_dense and (size == 1 or strides[dim].hint == step)
            step *= size
        return SymBoolNode(self.path, lambda: is_dense)


class SymFloatNode(_SymNode):
    """A rational number, `factor` · `top` / `bottom`, until it is rounded."""

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

    def sym_float(self) -> SymFloatNode:
        return self

    def mul(self, other: SymFloatNode) -> SymFloatNode:
        return SymFloatNode(self.path, self.factor * other.factor, self.top * other.top,
                      self.bottom * other.bottom)  # fmt: skip

    def float_truediv(self, other: SymFloatNode) -> SymFloatNode:
        return self.mul(SymFloatNode(self.path, 1 / other.factor, other.bottom, other.top))

    truediv = float_truediv

    def add(self, other: SymFloatNode) -> SymFloatNode:
        (a, b), (c, d) = self._over(), other._over()
        return SymFloatNode(self.path, Fraction(1), a * d + c * b, b * d)

    def sub(self, other: SymFloatNode) -> SymFloatNode:
        return self.add(other.neg())

    def neg(self) -> SymFloatNode:
        return SymFloatNode(self.path, -self.factor, self.top, self.bottom)

    def float_pow(self, other: SymFloatNode) -> SymFloatNode:
        return self.wrap_float(self.guard_float("", 0) ** other.guard_float("", 0))

    pow = float_pow

    def floor(self) -> SymIntNode:
        top, bottom = self._over()
        return SymIntNode(self.path, top // bottom)

    def ceil(self) -> SymIntNode:
        return self.neg().floor().neg()

    def trunc(self) -> SymIntNode:
        return self.floor() if self.path.decide(">=", self._over()[0]) else self.ceil()

    sym_int = trunc

    def round(self, digits: Any = None) -> Any:
        if digits:
            return self.wrap_float(round(self.guard_float("", 0), digits))
        return self.wrap_int(round(self.guard_float("", 0)))

    def is_integer(self) -> SymBoolNode:
        top, bottom = self._over()
        return SymIntNode(self.path, top % bottom).eq(self.wrap_int(0))

    def sym_max(self, other: SymFloatNode) -> SymFloatNode:
        return self if self._compared(">=", other).guard_bool("", 0) else other

    def sym_min(self, other: SymFloatNode) -> SymFloatNode:
        return other if self._compared(">=", other).guard_bool("", 0) else self

    def _compared(self, relation: str, other: SymFloatNode) -> SymBoolNode:
        (a, b), (c, d) = self._over(), other._over()  # denominators are positive
        return SymBoolNode(self.path, lambda: self.path.decide(relation, a * d - c * b))

    def eq(self, other: SymFloatNode) -> SymBoolNode:
        return self._compared("==", other)

    def ne(self, other: SymFloatNode) -> SymBoolNode:
        return self._compared("!=", other)

    def ge(self, other: SymFloatNode) -> SymBoolNode:
        return self._compared(">=", other)

    def gt(self, other: SymFloatNode) -> SymBoolNode:
        return self._compared(">", other)

    def le(self, other: SymFloatNode) -> SymBoolNode:
        return self._compared("<=", other)

    def lt(self, other: SymFloatNode) -> SymBoolNode:
        return self._compared("<", other)

    def sym_sqrt(self) -> SymFloatNode:
        return self.wrap_float(math.sqrt(self.guard_float("", 0)))


class SymBoolNode(_SymNode):
    """A comparison; its condition is recorded when torch asks for its value."""

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

    def eq(self, other: SymBoolNode) -> SymBoolNode:
        return SymBoolNode(self.path, lambda: self._decide() == other._decide())

    def ne(self, other: SymBoolNode) -> SymBoolNode:
        return SymBoolNode(self.path, lambda: self._decide() != other._decide())

    def sym_and(self, other: SymBoolNode) -> SymBoolNode:
        return SymBoolNode(self.path, lambda: self._decide() and other._decide())

    def sym_or(self, other: SymBoolNode) -> SymBoolNode:
        return SymBoolNode(self.path, lambda: self._decide() or other._decide())

    and_, or_ = sym_and, sym_or

    def sym_not(self) -> SymBoolNode:
        return SymBoolNode(self.path, lambda: not self._decide())

    def sym_ite(self, one: Any, other: Any) -> Any:
        return one if self._decide() else other


def number_of(size: Any) -> Number:
    """A size of torch's as a number or expression."""
    if isinstance(size, torch.SymInt):
        number: Number = size.node.number
        return number
    return int(size)
