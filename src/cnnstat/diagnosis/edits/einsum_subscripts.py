"""The subscripts of an einsum: two of an operand exchanged, where its axes are the other way."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import combinations

from ...results import Shape
from ...trace.records import tensors_in
from ..changes import Change, Proposal, Situation
from ..failing_code import failing_code
from ..syntax import arguments_of, nodes
from ..weights import Features, Prior


def einsum_subscripts(situation: Situation) -> Iterator[Proposal]:
    """In all calls of the function that have the same equation: they fail alike."""
    site = failing_code(situation)
    call = situation.failure.calls[-1] if situation.failure.calls else None
    if site is None or call is None or call.type != "einsum" or site.function is None:
        return
    if not isinstance(site.node, ast.Call):
        return
    equation = next(iter(arguments_of(site.node)), None)
    if not isinstance(equation, ast.Constant) or not isinstance(equation.value, str):
        return
    shapes = [tensor.shape for tensor in tensors_in(call.inputs)]
    same = [
        node for node in nodes(site.function, ast.Constant)
        if node.value == equation.value
    ]  # fmt: skip
    for text in _equations(equation.value, shapes):
        quote = site.code.text_of(equation)[:1]
        change = Change(
            replacements=tuple(
                site.code.replacement(node, f"{quote}{text}{quote}") for node in same
            )
        )
        yield Proposal(change, Features(prior=Prior.SUBSCRIPTS))


def _equations(equation: str, shapes: Sequence[Shape]) -> Iterator[str]:
    """Those with which each subscript has one size."""
    inputs, arrow, output = equation.partition("->")
    operands = inputs.split(",")
    if len(operands) != len(shapes) or "." in equation:
        return
    for place, operand in enumerate(operands):
        for a, b in combinations(operand.strip(), 2):
            exchanged = operand.translate(str.maketrans(a + b, b + a))
            changed = [*operands[:place], exchanged, *operands[place + 1 :]]
            if _fit(changed, shapes):
                yield ",".join(changed) + arrow + output


def _fit(operands: Sequence[str], shapes: Sequence[Shape]) -> bool:
    sizes: dict[str, int] = {}
    for operand, shape in zip(operands, shapes, strict=True):
        if len(operand.strip()) != len(shape):
            return False
        for subscript, size in zip(operand.strip(), shape, strict=True):
            if sizes.setdefault(subscript, size) != size:
                return False
    return True
