"""A float in the place of a whole number: `width / 16` makes one, `width // 16` does not."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..changes import Change, Proposal, Situation
from ..failing_code import FailingCode, creations, failing_code
from ..source_text import Replacement
from ..syntax import Code, last_name, nodes
from ..weights import Features, Prior


def integer_divisions(situation: Situation) -> Iterator[Proposal]:
    if situation.failure.error not in ("TypeError", "RuntimeError"):
        return
    failing = failing_code(situation)
    places: list[tuple[Code, ast.AST]] = list(creations(situation, situation.failed_path))
    if failing is not None:
        places.append((failing.code, failing.node))
        places += _assigned_divisions(failing)
    for code, node in places:
        replacements = tuple(_divisions(code, node)) or tuple(_floats(code, node))
        if replacements:
            features = Features(prior=Prior.FLOAT_SIZE)
            yield Proposal(Change(replacements=replacements), features)


def _assigned_divisions(failing: FailingCode) -> Iterator[tuple[Code, ast.AST]]:
    """The statements that assign a quotient to a name or an attribute of the failing statement."""
    code, statement = failing.code, failing.code.statement(failing.node)
    read = {
        last_name(n)
        for n in nodes(statement, ast.expr)
        if isinstance(getattr(n, "ctx", None), ast.Load)
    }
    cls = code.around(statement, ast.ClassDef)
    for assigned in nodes(cls, ast.Assign) if cls is not None else ():
        if last_name(assigned.targets[0]) in read:
            yield code, assigned.value


def _floats(code: Code, node: ast.AST) -> Iterator[Replacement]:
    """`2` for `2.0`."""
    for number in nodes(node, ast.Constant):
        if isinstance(number.value, float) and number.value.is_integer():
            yield code.replacement(number, str(int(number.value)))


def _divisions(code: Code, node: ast.AST) -> Iterator[Replacement]:
    for division in nodes(node, ast.BinOp):
        if isinstance(division.op, ast.Div):
            left, right = code.text_of(division.left), code.text_of(division.right)
            yield code.replacement(division, f"{left} // {right}")
