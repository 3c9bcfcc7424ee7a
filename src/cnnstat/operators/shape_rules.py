"""Shapes by formula: windows along an axis, broadcasting, and the two refusals.

Sizes may be ints, symbolic (`SymInt`, `Expr`) or the expressions that `explain` prints: all have
+, -, · and //. A comparison of symbolic sizes is decided by their values and recorded as a
condition, so functions compare once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import zip_longest
from typing import Any

from ..results import Record, Shape


class Misfit(Exception):
    """The operands do not fit: torch would refuse the operator."""


class Unknown(Exception):
    """The recorded arguments do not determine how a shape depends on those of the operands."""


class Window(Record, frozen=True):
    """The kernel of a convolution or pooling layer, one number per spatial dimension."""

    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape

    def last_axes(self, dims: int | None) -> Window:
        """The window along the last `dims` axes: torch runs some 1-d layers as 2-d operators."""
        if dims is None or dims >= len(self.kernel):
            return self
        sizes = (self.kernel, self.stride, self.padding, self.dilation)
        return Window(*(size[-dims:] for size in sizes))


def window_size(
    n: Any, k: Any, s: Any, p: Any, d: Any = 1, ceil_mode: bool = False, both: Any = None
) -> Any:
    """⌊(n + 2·p − d·(k − 1) − 1) / s⌋ + 1; with `ceil_mode` rounded up.

    n: the size of the input, k: of the kernel, s: stride, p: padding in front, d: dilation. `both`
    is the padding in front and behind together, where that is not 2·p.
    """
    if not ceil_mode:
        return _span(n, k, p, d, both) // s + 1
    size = size_rounded_up(n, k, s, p, d, both)
    return size - 1 if starts_in_padding(n, size, s, p) else size


def size_rounded_up(n: Any, k: Any, s: Any, p: Any, d: Any = 1, both: Any = None) -> Any:
    return ceil_div(_span(n, k, p, d, both), s) + 1


def starts_in_padding(n: Any, size: Any, s: Any, p: Any) -> bool:
    """Whether the last window would start past the input: torch leaves it out."""
    return bool((size - 1) * s >= n + p)


def transposed_size(
    n: Any, k: Any, s: Any, p: Any, d: Any = 1, extra: Any = 0, both: Any = None
) -> Any:
    """(n − 1)·s + d·(k − 1) + 1 + extra − 2·p, with `extra` the output padding."""
    size = (n - 1) * s + (k if _is_one(d) else d * (k - 1) + 1) + extra
    return size - (2 * p if both is None else both)


def _span(n: Any, k: Any, p: Any, d: Any, both: Any) -> Any:
    # `explain` prints this: a dilation of 1 is left out
    padded = n + (2 * p if both is None else both)
    return padded - k if _is_one(d) else padded - d * (k - 1) - 1


def _is_one(d: Any) -> bool:
    return isinstance(d, int) and d == 1


def ceil_div(a: Any, b: Any) -> Any:
    method = getattr(a, "ceil_div", None)  # expressions of `explain` print ⌈ ⌉
    return (a + (b - 1)) // b if method is None else method(b)


def both_sides(padding: Sequence[Any], behind: Sequence[Any] | None) -> list[Any]:
    """The sum of both paddings of each axis; None where they are equal."""
    if behind is None:
        return [None] * len(padding)
    return [None if p == q else p + q for p, q in zip(padding, behind, strict=True)]


def per_axis(value: Any, dims: int) -> tuple[Any, ...]:
    """A single size applies to all dimensions, as in torch."""
    sizes = tuple(value) if isinstance(value, tuple | list) else (value,)
    return sizes * dims if len(sizes) == 1 else sizes


def fitting(sizes: Iterable[Any]) -> tuple[Any, ...]:
    """The sizes, if all are positive.

    Raises:
        Misfit: a window does not fit into its input.
    """
    found = tuple(sizes)
    if any(size < 1 for size in found):
        raise Misfit
    return found


def broadcast(shapes: Iterable[Sequence[int]]) -> Shape:
    """The common shape of operands: axes are aligned from the last, a size of 1 fits any other.

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
