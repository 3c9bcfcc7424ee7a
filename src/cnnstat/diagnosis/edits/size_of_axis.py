"""The size of an axis: read as `x.size[0]` or `x.shape(0)`, or of another axis than is meant."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..changes import Change, Proposal, Situation
from ..failing_code import failing_code
from ..source_text import Replacement
from ..syntax import Code, arguments_of, code_of, nodes
from ..weights import Features, Prior


def sizes_of_axes(situation: Situation) -> Iterator[Proposal]:
    if situation.failure.error != "TypeError":
        return
    for file, text in situation.texts.items():
        replacements = tuple(_replacements(code_of(file, text)))
        if replacements:
            features = Features(prior=Prior.SIZE_OF_AXIS)
            yield Proposal(Change(replacements=replacements), features)


def _replacements(code: Code) -> Iterator[Replacement]:
    for node in nodes(code.tree, ast.Subscript):
        value = node.value
        if isinstance(value, ast.Attribute) and value.attr == "size":
            yield code.replacement(node, f"{code.text_of(value)}({code.text_of(node.slice)})")
    for call in nodes(code.tree, ast.Call):
        function = call.func
        axes = arguments_of(call)
        if isinstance(function, ast.Attribute) and function.attr == "shape" and len(axes) == 1:
            yield code.replacement(call, f"{code.text_of(function)}[{code.text_of(axes[0])}]")


_AXES = 4


def other_axes(situation: Situation) -> Iterator[Proposal]:
    """`x.size(1)` for `x.size(0)` in an expression whose tensors do not go together."""
    site = failing_code(situation)
    if site is None or situation.mismatch.kind not in ("broadcast", "join"):
        return
    for axis in _axes_read(site.node):
        for other in range(1, _AXES):  # the first is the batch
            if other != axis.value:
                replacement = site.code.replacement(axis, str(other))
                features = Features(prior=Prior.OTHER_AXIS)
                yield Proposal(Change(replacements=(replacement,)), features)


def _axes_read(node: ast.AST) -> Iterator[ast.Constant]:
    """The literals that are axes, in `size(0)` and `shape[0]`."""
    found = [
        axis for call in nodes(node, ast.Call)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "size"
        for axis in arguments_of(call)[:1]
    ]  # fmt: skip
    found += [
        read.slice for read in nodes(node, ast.Subscript)
        if isinstance(read.value, ast.Attribute) and read.value.attr == "shape"
    ]  # fmt: skip
    yield from (axis for axis in found if isinstance(axis, ast.Constant))
