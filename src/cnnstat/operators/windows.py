"""How many positions a window has along an axis: one formula, over numbers of any kind.

The numbers may be ints, sizes that carry letters (`SymInt`, `Expr`) or what `explain` prints: all
have +, -, · and //. Each comparison is one of values; of a symbolic size it is decided, and noted
as a condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .misfit import Misfit


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
    """Whether the last window would start behind the input: torch leaves that one out."""
    return bool((size - 1) * s >= n + p)


def transposed_size(
    n: Any, k: Any, s: Any, p: Any, d: Any = 1, extra: Any = 0, both: Any = None
) -> Any:
    """(n − 1)·s + d·(k − 1) + 1 + extra − 2·p, with `extra` the output padding."""
    size = (n - 1) * s + (k if _is_one(d) else d * (k - 1) + 1) + extra
    return size - (2 * p if both is None else both)


def _span(n: Any, k: Any, p: Any, d: Any, both: Any) -> Any:
    # a dilation of 1 is left out, for `explain` prints this
    padded = n + (2 * p if both is None else both)
    return padded - k if _is_one(d) else padded - d * (k - 1) - 1


def _is_one(d: Any) -> bool:
    return isinstance(d, int) and d == 1


def ceil_div(a: Any, b: Any) -> Any:
    own = getattr(a, "ceil_div", None)  # what is printed writes ⌈ ⌉
    return (a + (b - 1)) // b if own is None else own(b)


def both_sides(padding: Sequence[Any], behind: Sequence[Any] | None) -> list[Any]:
    """For each axis the padding in front and behind together; None where both are the same."""
    if behind is None:
        return [None] * len(padding)
    return [None if p == q else p + q for p, q in zip(padding, behind, strict=True)]


def per_axis(value: Any, dims: int) -> tuple[Any, ...]:
    """A size given once holds for all dimensions, as in torch."""
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
