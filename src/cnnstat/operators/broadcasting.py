"""The shape that operands of several shapes have in common."""

from __future__ import annotations

from collections.abc import Sequence

from ..results import Shape
from .registry import Misfit


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The common shape of operands: axes are matched from the last, a size of 1 fits any other.

    Raises:
        Misfit: there is none.
    """
    longest = max(map(len, shapes))
    padded = [(1,) * (longest - len(shape)) + tuple(shape) for shape in shapes]
    sizes = []
    for axis in zip(*padded, strict=True):
        distinct = {size for size in axis if size != 1}
        if len(distinct) > 1:
            raise Misfit
        sizes.append(distinct.pop() if distinct else 1)
    return tuple(sizes)
