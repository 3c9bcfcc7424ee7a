"""Calls in a `forward` that lay a tensor out: a view of strides, a squeeze of the batch axis."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import islice

from ..changes import Change, Proposal, Situation
from ..failing_code import failing_code
from ..source_text import Replacement
from ..syntax import Code, arguments_of, code_of, keywords_of, nodes
from ..weights import Features, Prior

_SQUEEZES = 4  # that are tried


def reshapes(situation: Situation) -> Iterator[Proposal]:
    """`.reshape(…)` in the place of a `.view(…)` with as many elements."""
    mismatch = situation.mismatch
    site = failing_code(situation)
    if mismatch.kind != "view" or site is None or not isinstance(site.node, ast.Call):
        return
    expected, actual = mismatch.expected, mismatch.actual
    if expected and actual and actual % expected:
        return
    called = site.node.func
    if isinstance(called, ast.Attribute) and called.attr == "view":
        text = site.code.text_of(called)
        replacement = site.code.replacement(called, text.removesuffix("view") + "reshape")
        yield Proposal(Change(replacements=(replacement,)), Features(prior=Prior.STRIDES))


def squeezes(situation: Situation) -> Iterator[Proposal]:
    """Another call in the place of a `.squeeze()`, which removes a batch axis of 1 too.

    `.flatten(1)` where the batch is the first axis; `.squeeze(0)` where it is the second.
    """
    shapes = [spec.tensor.shape for spec in situation.failure.trace.inputs]
    is_first = any(shape[:1] == (1,) for shape in shapes)
    is_second = any(shape[1:2] == (1,) and len(shape) == 3 for shape in shapes)
    for with_first in [True] * is_first + [False] * is_second:
        found = (found for file, text in situation.texts.items()
                 for found in _squeezes_in(code_of(file, text), with_first))  # fmt: skip
        for replacement in islice(found, _SQUEEZES):
            change = Change(replacements=(replacement,))
            yield Proposal(change, Features(prior=Prior.SQUEEZED_BATCH))


def _squeezes_in(code: Code, is_first: bool) -> Iterator[Replacement]:
    name, axis = ("flatten", 1) if is_first else ("squeeze", 0)
    for call in nodes(code.tree, ast.Call):
        called, written = call.func, arguments_of(call)
        if not isinstance(called, ast.Attribute) or called.attr != "squeeze" or keywords_of(call):
            continue
        text = code.text_of(called)
        if text == code.named("torch.squeeze") and len(written) == 1:
            function = text.removesuffix("squeeze") + name
            yield code.replacement(call, f"{function}({code.text_of(written[0])}, {axis})")
        elif not written:
            yield code.replacement(call, text.removesuffix("squeeze") + f"{name}({axis})")
