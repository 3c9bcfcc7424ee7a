"""A change of axes that is one too many: `h.unsqueeze(0)` of a state that has the axis already."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..changes import Change, Proposal, Situation
from ..failing_code import failing_code
from ..literals import Span
from ..source_text import Replacement
from ..syntax import Code, nodes
from ..weights import Features, Prior

_OF_AXES = {
    "unsqueeze", "squeeze", "flatten", "permute", "transpose", "t", "view", "reshape", "mean",
}  # fmt: skip


def superfluous_axes(situation: Situation) -> Iterator[Proposal]:
    """Left out in the expression that failed, or on a line of its own before it."""
    site = failing_code(situation)
    if site is None or site.function is None:
        return
    code, last = site.code, site.code.statement(site.node)
    for call in nodes(site.node, ast.Call):
        tensor = _rearranged(call)
        if tensor is not None and call is not site.node:
            yield _proposal(code.replacement(call, code.text_of(tensor)))
    read = {name.id for name in nodes(site.node, ast.Name)}
    for statement in nodes(site.function, ast.Assign):
        target, tensor = statement.targets[0], _rearranged(statement.value)
        is_same = tensor is not None and code.text_of(target) == code.text_of(tensor)
        is_before = statement.lineno < last.lineno and getattr(target, "id", "") in read
        if is_same and is_before and len(_block_of(code, statement)) > 1:
            end = (statement.end_lineno or statement.lineno) + 1
            yield _proposal(Replacement(Span(code.file, statement.lineno, 0, end, 0), ""))


def _rearranged(node: ast.expr) -> ast.expr | None:
    """`x` of `x.unsqueeze(0)`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    is_method = node.func.attr in _OF_AXES and isinstance(node.func.value, ast.Name)
    return node.func.value if is_method else None


def _block_of(code: Code, statement: ast.stmt) -> list[ast.stmt]:
    """The statements among which one stands; one alone cannot be left out."""
    above = code.parents[statement]
    blocks = (getattr(above, name, None) for name in ("body", "orelse"))
    return next((b for b in blocks if isinstance(b, list) and statement in b), [])


def _proposal(replacement: Replacement) -> Proposal:
    change = Change(replacements=(replacement,))
    return Proposal(change, Features(prior=Prior.SUPERFLUOUS_AXES))
