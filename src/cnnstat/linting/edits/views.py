"""Permutations before or after a view that cuts across axes."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import permutations

from ...diagnosis.source_text import Replacement
from ...diagnosis.syntax import Code, arguments_of, keywords_of, name_of_called
from ...results import Shape
from ..axes import cuts_across, suffix_products
from .calls import Edited, is_method, operand_of, primary

_MOST_AXES = 6


def permuted(old: Sequence[int], new: Sequence[int]) -> Edited:
    """A permutation of `old` and then the view as `new`, or a view whose result is permuted."""

    def edited(code: Code, node: ast.Call) -> Replacement | None:
        is_view = name_of_called(node) in ("view", "reshape") and is_method(code, node)
        operand = operand_of(code, node) if is_view else None
        if operand is None or max(len(old), len(new)) > _MOST_AXES:
            return None
        sizes = [code.text_of(size) for size in arguments_of(node)]
        order = _best(old, new)
        if order is not None:
            text = _applied(order)
            if [old[axis] for axis in order] != list(new):
                text += f".reshape({', '.join(sizes)})"
            return code.replacement(node, primary(code, operand) + text)
        back = _best(new, old)
        if back is None or len(sizes) != len(new) or keywords_of(node):
            return None
        is_unpacked = any(isinstance(size, ast.Starred) for size in arguments_of(node))
        if is_unpacked:
            return None
        viewed = f".reshape({', '.join(sizes[axis] for axis in back)})"
        forth = tuple(back.index(axis) for axis in range(len(back)))
        return code.replacement(node, primary(code, operand) + viewed + _applied(forth))

    return edited


def _best(shape: Sequence[int], target: Sequence[int]) -> Shape | None:
    """The order of axes, the batch first, in which a view of `shape` as `target` cuts nothing.

    Of several, that with the most boundaries of axes in common, and then the least changed.
    """
    found = list(_orders(shape, target))
    return max(found, key=lambda item: item[0])[1] if found else None


def _orders(shape: Sequence[int], target: Sequence[int]) -> Iterator[tuple[int, Shape]]:
    boundaries = set(suffix_products(target))
    for order in permutations(range(1, len(shape))):  # in lexicographic order
        moved = [shape[axis] for axis in (0, *order)]
        is_same = order == tuple(range(1, len(shape)))
        if not is_same and not cuts_across(moved, target):
            yield len(boundaries.intersection(suffix_products(moved))), (0, *order)


def _applied(order: Shape) -> str:
    """`.transpose(1, 2)`, or `.permute(0, 2, 3, 1)` where more than two axes move."""
    moved = [axis for axis, source in enumerate(order) if axis != source]
    if len(moved) == 2:
        return f".transpose({moved[0]}, {moved[1]})"
    return f".permute({', '.join(map(str, order))})"
