"""`x.size[0]` and `x.shape(0)`: the size of an axis, read as the other is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..changes import Change, Proposal, Situation
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
