"""Statements in another order: a map flattened behind the layer that takes it flat, a width that is
computed after the one that it follows from was changed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..changes import Change, Proposal, Situation
from ..failing_code import failing_code
from ..literals import Span
from ..source_text import Replacement
from ..syntax import Code, nodes
from ..weights import Features, Prior

_NEAR = 3  # statements behind the one that failed
_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr)


def orders_of_statements(situation: Situation) -> Iterator[Proposal]:
    site = failing_code(situation)
    if site is None or site.function is None:
        return
    code, failed = site.code, site.code.statement(site.node)
    block = _block(code, failed)
    if block is None:
        return
    place = block.index(failed)
    for later in block[place + 1 : place + 1 + _NEAR]:
        if isinstance(later, _SIMPLE) and _stored(later) & _read(failed):
            yield _moved(code, later, failed, Prior.LATER_STATEMENT)
    for statement in reversed(block[:place]):
        if isinstance(statement, ast.Assign) and _stored(statement) & _read(failed):
            yield from _earlier(code, block, statement)


def _earlier(code: Code, block: list[ast.stmt], statement: ast.Assign) -> Iterator[Proposal]:
    """A statement in front of the last one that changes what it reads."""
    for other in reversed(block[: block.index(statement)]):
        if _stored(statement) & (_stored(other) | _read(other)):
            return
        if _changed(other) & _read(statement):
            yield _moved(code, statement, other, Prior.EARLIER_STATEMENT)
            return


def _block(code: Code, statement: ast.stmt) -> list[ast.stmt] | None:
    """The statements among which one stands."""
    above = code.parents[statement]
    for name in ("body", "orelse"):
        block = getattr(above, name, None)
        if isinstance(block, list) and statement in block:
            return block
    return None


def _moved(code: Code, statement: ast.stmt, before: ast.stmt, prior: Prior) -> Proposal:
    """A statement in front of another one, with its lines."""
    first, last = statement.lineno, statement.end_lineno or statement.lineno
    lines = code.text.split("\n")[first - 1 : last]
    deleted = Replacement(Span(code.file, first, 0, last + 1, 0), "")
    row = before.lineno
    inserted = Replacement(Span(code.file, row, 0, row, 0), "".join(f"{x}\n" for x in lines))
    return Proposal(Change(replacements=(inserted, deleted)), Features(prior=prior))


def _stored(statement: ast.stmt) -> set[str]:
    return {n.id for n in nodes(statement, ast.Name) if isinstance(n.ctx, ast.Store)}


def _read(statement: ast.stmt) -> set[str]:
    return {n.id for n in nodes(statement, ast.Name) if isinstance(n.ctx, ast.Load)}


def _changed(statement: ast.stmt) -> set[str]:
    """The names that a statement computes anew from themselves: `width -= other`."""
    found = {s.target.id for s in nodes(statement, ast.AugAssign) if isinstance(s.target, ast.Name)}
    for assigned in nodes(statement, ast.Assign):
        found |= _stored(assigned) & _read(assigned)
    return found
