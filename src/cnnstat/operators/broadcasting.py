"""Broadcasting: the shape that operands of several shapes have in common.

Sizes may be ints or carry letters (`SymInt`, `Expr`). Of those each comparison is decided by value
and noted as a condition, so none is made twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import zip_longest

from ..results import Shape
from .misfit import Misfit


def broadcast(shapes: Iterable[Sequence[int]]) -> Shape:
    """The common shape of operands: axes are matched from the last, a size of 1 fits any other.

    Raises:
        Misfit: there is none.
    """
    first, *others = shapes
    return reduce(_common, others, tuple(first))


def broadcasts_to(shape: Sequence[int], out: Sequence[int]) -> bool:
    """Whether a tensor of `shape` can be expanded to `out`."""
    pairs = zip(reversed(shape), reversed(out), strict=False)
    return len(shape) <= len(out) and all(n in (1, m) for n, m in pairs)


def _common(a: Sequence[int], b: Sequence[int]) -> Shape:
    pairs = list(zip_longest(reversed(a), reversed(b), fillvalue=1))
    if any(m != n and 1 not in (m, n) for m, n in pairs):
        raise Misfit
    return tuple(m if m is n or m == n or n == 1 else n for m, n in reversed(pairs))
