"""What a view does to axes: whether it merges and splits them, or cuts across.

A view that merges neighbouring axes or splits one keeps their elements together. One that does
neither, such as 3136×96 as 96×56×56, distributes the 96 features of a position over the map.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise


def suffix_products(shape: Sequence[int]) -> list[int]:
    """The number of elements behind each boundary of two axes, from the last axis on.

    >>> suffix_products((2, 3, 4))
    [4, 12, 24]
    """
    products, total = [], 1
    for size in reversed(shape):
        total *= size
        products.append(total)
    return products


def cuts_across(old: Sequence[int], new: Sequence[int]) -> bool:
    """Whether a view of `old` as `new` cuts across axes, so that a permutation was meant.

    Merging and splitting keeps the boundaries of one shape or adds some, so that each number of
    elements behind a boundary divides the next.

    >>> cuts_across((8, 3136, 96), (8, 96, 56, 56)), cuts_across((8, 64), (8, 4, 4, 4))
    (True, False)
    """
    if 0 in old:
        return False  # there is nothing to scramble
    return not _is_chain([*suffix_products(old), *suffix_products(new)])


def changes_order(old: Sequence[int], new: Sequence[int]) -> bool:
    """Whether a view has the same sizes in another order, as a transposition has."""
    before = [size for size in old if size != 1]
    after = [size for size in new if size != 1]
    return before != after and sorted(before) == sorted(after)


def keeps_together(count: int, shape: Sequence[int]) -> bool:
    """Whether runs of `count` elements lie within or between the axes of `shape`, uncut."""
    return _is_chain([count, *suffix_products(shape)])


def _is_chain(numbers: Iterable[int]) -> bool:
    return all(a and b % a == 0 for a, b in pairwise(sorted(set(numbers))))
