"""A size that is written in two places: in a view, and in the layer behind it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from math import prod

from ..changes import Change, Proposal, Situation
from ..failing_code import call_at
from ..layer_sites import LayerSite, layer_sites
from ..literals import Span
from ..ranking import INPUT_SIZES
from ..source_text import Replacement, span_of
from ..syntax import arguments_by_place, keywords_of
from ..weights import Features, Prior
from .names_in_arguments import value_of


def view_and_layer(situation: Situation) -> Iterator[Proposal]:
    """`x.view(-1, 16 * 5 * 5)` and `nn.Linear(16 * 5 * 5, 120)`, both as the map is."""
    failure, mismatch = situation.failure, situation.mismatch
    frame = failure.frames[-1] if failure.frames else None
    if mismatch.kind != "view" or mismatch.operand is None or frame is None:
        return
    found = call_at(situation, frame)
    if found is None:
        return
    code, call = found
    sides = mismatch.operand.shape[1:]
    for node in (*arguments_by_place(call), *keywords_of(call).values()):
        size = value_of(node, {})
        if size is None or size < 2 or size == prod(sides):
            continue
        layers = [place for site in layer_sites(situation, reached=False)
                  for place in _inputs_of(site, size, sides)]  # fmt: skip
        if layers:
            view = code.replacement(node, product_like(node, code.text_of(node), sides))
            features = Features(prior=Prior.VIEW_AND_LAYER, further_places=len(layers) - 1)
            yield Proposal(Change(replacements=(view, *layers)), features)


def _inputs_of(site: LayerSite, size: int, sides: Sequence[int]) -> Iterator[Replacement]:
    """The input size of a layer that is written as this size."""
    for name in INPUT_SIZES & site.written.keys():
        node = site.written[name]
        if value_of(node, {}) == size:
            yield site.code.replacement(node, product_like(node, site.text_of(node), sides))


def product_like(node: ast.expr, text: str, sides: Sequence[int]) -> str:
    """The product of `sides`, with the factors in the order in which `node` has them.

    `5 * 5 * 16` is `5 * 5 * 24` for the sides 24, 5 and 5; a number is the product's value.
    """
    factors = list(_factors(node))
    if len(factors) != len(sides):
        return str(prod(sides))
    remaining = list(sides)
    unchanged: list[int | None] = []
    for _, value in factors:
        unchanged.append(value if value in remaining else None)
        if unchanged[-1] is not None:
            remaining.remove(value)
    values = [remaining.pop(0) if value is None else value for value in unchanged]
    # From the end, so that the places before a factor remain valid.
    for (place, _), value in sorted(zip(factors, values, strict=True), reverse=True, key=_column):
        begin, end = (place.column - node.col_offset, place.end_column - node.col_offset)
        text = f"{text[:begin]}{value}{text[end:]}"
    return text


def _column(factor: tuple[tuple[Span, int], int]) -> int:
    return factor[0][0].column


def _factors(node: ast.expr) -> Iterator[tuple[Span, int]]:
    """The places and values of the numbers of a product on one line; none for anything else."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield span_of(node, ""), node.value
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and is_on_one_line(node):
        yield from (*_factors(node.left), *_factors(node.right))


def is_on_one_line(node: ast.expr) -> bool:
    return node.lineno == node.end_lineno
