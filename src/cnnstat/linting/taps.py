"""Which elements a kernel reads: by arithmetic, for each axis of its own."""

from __future__ import annotations

from fractions import Fraction
from math import prod

from ..operators.shape_rules import Window
from ..results import Shape


def live_taps(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many of the taps of a kernel along one axis ever meet the input, not only padding.

    >>> live_taps(33, 33, 3, 1, 36, 36)
    1
    """
    starts = [position * stride - padding for position in range(out)]
    return sum(any(0 <= start + tap * dilation < size for start in starts) for tap in range(kernel))


def share_on_padding(window: Window, sizes: Shape, out: Shape) -> Fraction:
    """The share of the taps of a kernel that only ever meet padding.

    sizes, out: the spatial sizes of the input and the output.
    """
    axes = zip(sizes, out, window.kernel, window.stride, window.padding, window.dilation,
               strict=True)  # fmt: skip
    return 1 - Fraction(prod(live_taps(*axis) for axis in axes), prod(window.kernel))


def positions_read(window: Window, sizes: Shape, out: Shape) -> list[set[int]]:
    """The positions of the input that a window reads, for each axis."""
    axes = zip(sizes, out, window.kernel, window.stride, window.padding, window.dilation,
               strict=True)  # fmt: skip
    return [
        {
            position
            for step in range(n_out)
            for tap in range(kernel)
            if 0 <= (position := step * stride - padding + tap * dilation) < size
        }
        for size, n_out, kernel, stride, padding, dilation in axes
    ]
