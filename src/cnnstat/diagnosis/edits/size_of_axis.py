"""The size of an axis: read as `x.size[0]` or `x.shape(0)`, or of another axis than is meant."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..changes import Change, Proposal, Situation
from ..failing_code import FailingCode, failing_code
from ..source_text import Replacement
from ..syntax import Code, arguments_of, assigned_name, code_of, nodes
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
_STEPS = 3  # from a tensor back to the names that its size is computed from


def other_axes(situation: Situation) -> Iterator[Proposal]:
    """`x.size(1)` for `x.size(0)` where tensors do not go together.

    In the expression that fails, or in what computes a name in it, as a mask.
    """
    site, kind = failing_code(situation), situation.mismatch.kind
    is_checked = kind == "other" and situation.failure.what == "shapes"
    if site is None or not (kind in ("broadcast", "join") or is_checked):
        return
    for axis in _axes_read(site.node):
        for other in range(1, _AXES):  # the first is the batch
            if other != axis.value:
                yield _proposal(site.code.replacement(axis, str(other)))
    for expression in _computing(site):
        for axis in _axes_read(expression):
            if axis.value == 0:
                yield _proposal(site.code.replacement(axis, "1"))
        for call in nodes(expression, ast.Call):
            if getattr(call.func, "id", "") == "len" and len(arguments_of(call)) == 1:
                text = f"{site.code.text_of(arguments_of(call)[0])}.size(1)"
                yield _proposal(site.code.replacement(call, text))


def _proposal(replacement: Replacement) -> Proposal:
    return Proposal(Change(replacements=(replacement,)), Features(prior=Prior.OTHER_AXIS))


def _computing(site: FailingCode) -> Iterator[ast.expr]:
    """What is assigned, in the same function, to the names that the failing expression reads."""
    waiting: list[tuple[ast.AST, int]] = [(site.node, 0)]
    followed: set[ast.AST] = set()
    last = site.code.statement(site.node).lineno
    while waiting and site.function is not None:
        node, steps = waiting.pop(0)
        names = {name.id for name in nodes(node, ast.Name)}
        for statement in nodes(site.function, ast.Assign):
            is_read = assigned_name(statement) in names and statement.lineno < last
            if is_read and statement not in followed and steps < _STEPS:
                followed.add(statement)
                yield statement.value
                waiting.append((statement.value, steps + 1))


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
