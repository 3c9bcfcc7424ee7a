"""The cost of an operator: two numbers, and the terms that they are sums of.

One MAC is one multiply and one add of a convolution, linear, matmul, attention or recurrent
product; everything else (bias, normalisation, activation, pooling, joins) is `other_ops`, one per
elementary operation on one element, a transcendental function being one.

One complex MAC is four real ones: (a + b·i)·(c + d·i) has four real products, and four additions
with that to the sum. Elementary operations count per element, real or complex.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from msgspec import Struct
from msgspec.structs import replace

from ..results import Shape
from ..trace.records import TensorSpec

REAL_MACS = 4
"""Real multiply–accumulates of one complex one."""


class Term(Struct, frozen=True):
    """A part of a cost: the same number of operations for each element of a shape.

    each: the factors of that number, e.g. the sides of a window; empty: one operation.
    name: the part of the operator, e.g. `bias`; empty: the whole operator.
    remark: how the operations are counted; empty: per element of a tensor.
    """

    shape: Shape
    each: Shape = ()
    name: str = ""
    remark: str = ""

    @property
    def count(self) -> int:
        return prod(self.shape) * prod(self.each)


class Cost(Struct, frozen=True, eq=False):
    """`macs`: multiply–accumulates. `other_ops`: elementary operations outside them.

    `products` and `operations` are the terms of either, for `explain`; empty where a rule gives
    the number alone. Costs are equal if their numbers are. `left_out`: why the number of other
    operations is not known without values, so that they are left out; empty: none are.
    """

    macs: int = 0
    other_ops: int = 0
    products: tuple[Term, ...] = ()
    operations: tuple[Term, ...] = ()
    left_out: str = ""

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.macs + other.macs,
            self.other_ops + other.other_ops,
            self.products + other.products,
            self.operations + other.operations,
            self.left_out or other.left_out,
        )

    def of_complex(self) -> Cost:
        """The cost of the same products of complex numbers."""
        products = tuple(replace(term, each=(*term.each, REAL_MACS)) for term in self.products)
        return replace(self, macs=REAL_MACS * self.macs, products=products)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cost):
            return NotImplemented
        return (self.macs, self.other_ops) == (other.macs, other.other_ops)

    def __hash__(self) -> int:
        return hash((self.macs, self.other_ops))


def per_element(tensor: TensorSpec, each: int = 1, name: str = "") -> Cost:
    """The cost of `each` operations per element."""
    shape = tensor.shape if tensor.stored is None else (tensor.stored,)
    term = Term(shape, () if each == 1 else (each,), name)
    return Cost(0, each * tensor.numel, operations=(term,))


def per_window(out: TensorSpec, window: Sequence[int], remark: str) -> Cost:
    """The cost of one operation per element of the window that each output element reads."""
    term = Term(out.shape, tuple(window), remark=remark)
    return Cost(0, term.count, operations=(term,))


def dot_products(out: TensorSpec, length: int) -> Cost:
    """The cost of an output whose elements each are a sum of `length` products."""
    return Cost(length * out.numel, products=(Term(out.shape, (length,)),))


def in_terms(products: Sequence[Term] = (), operations: Sequence[Term] = ()) -> Cost:
    """The cost whose numbers are the sums of these terms."""
    macs, other_ops = (sum(term.count for term in terms) for terms in (products, operations))
    return Cost(macs, other_ops, tuple(products), tuple(operations))
