"""The names in a view: `batch // heads` where the heads are in the batch, or another name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from math import prod

from ..changes import Change, Proposal, Situation
from ..failing_code import failing_code
from ..literals import plain
from ..syntax import arguments_of
from ..weights import Features, Prior
from .names_in_arguments import value_of

_VIEWS = {"view", "reshape"}


def sizes_of_views(situation: Situation) -> Iterator[Proposal]:
    """Another name, or a multiple or part of one, with which the number of elements fits."""
    site, call = failing_code(situation), next(iter(situation.failure.calls[-1:]), None)
    if site is None or call is None or call.type not in _VIEWS or not call.inputs:
        return
    if not isinstance(site.node, ast.Call):
        return
    sizes = arguments_of(site.node)
    numbers = {} if situation.raised is None else dict(situation.raised.numbers)
    values = [value_of(node, numbers) for node in sizes]
    known = [value for value in values if value is not None]
    elements = prod(call.inputs[0].shape)
    if len(known) < len(values) or min(known, default=0) < 1 or not elements:
        return
    for node, value in zip(sizes, known, strict=True):
        rest = prod(known) // value
        if not isinstance(node, ast.Name) or elements % rest:
            continue
        target = elements // rest
        for text, prior in _texts(node.id, value, target, numbers):
            change = Change(replacements=(site.code.replacement(node, text),))
            yield Proposal(change, Features(prior=prior))


def _texts(
    name: str, value: int, target: int, numbers: dict[str, int]
) -> Iterator[tuple[str, Prior]]:
    for other, number in numbers.items():
        factor = plain(number)
        if factor == target > 1:
            yield other, Prior.OTHER_NAME
        elif factor > 1 and value == target * factor:
            yield f"{name} // {other}", Prior.MULTIPLE_OF_NAME
        elif factor > 1 and target == value * factor:
            yield f"{name} * {other}", Prior.MULTIPLE_OF_NAME
