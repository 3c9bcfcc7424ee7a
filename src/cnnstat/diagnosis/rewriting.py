"""Source text with its numbers tracked, and source text with some of it replaced."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .literals import Literal, Span, applied, tracked

LITERAL, APPLIED = "__cnnstat_literal__", "__cnnstat_applied__"
_CONVERSIONS = {"int": int, "round": round, "float": float, "abs": abs}


@dataclass(frozen=True, slots=True)
class Replacement:
    """`text` in the place of what stands at `span`."""

    span: Span
    text: str


def _lines(text: str) -> list[str]:
    """As the parser counts them: a form feed ends no line."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n|$)", text)


def replaced(text: str, replacements: Iterable[Replacement]) -> str:
    """The source with the replacements made, which may not overlap."""
    lines = [line.encode() for line in _lines(text)]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    source = b"".join(lines)
    order = sorted(replacements, key=lambda r: (r.span.line, r.span.column), reverse=True)
    for replacement in order:
        span = replacement.span
        begin = starts[span.line - 1] + span.column
        end = starts[span.end_line - 1] + span.end_column
        source = source[:begin] + replacement.text.encode() + source[end:]
    return source.decode()


def piece(text: str, span: Span) -> str:
    """The source at `span`."""
    lines = [line.encode() for line in _lines(text)]
    if span.line == span.end_line:
        return lines[span.line - 1][span.column : span.end_column].decode()
    parts = [lines[span.line - 1][span.column :], *lines[span.line : span.end_line - 1]]
    return b"".join([*parts, lines[span.end_line - 1][: span.end_column]]).decode()


def span_of(node: ast.AST, file: str) -> Span:
    at: Any = node
    return Span(file, at.lineno, at.col_offset, at.end_lineno, at.end_col_offset)


class _Tracking(ast.NodeTransformer):
    """Every number is made by a call that says where it stands; the rest is left alone."""

    def __init__(self, file: str, literals: list[Literal]) -> None:
        self.file = file
        self.literals = literals

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if type(node.value) not in (int, float):
            return node
        # mypy does not follow the exact type asked for above: bool would be an int to isinstance
        self.literals.append(Literal(span_of(node, self.file), node.value))  # type: ignore[arg-type]
        return _call(LITERAL, [ast.Constant(len(self.literals) - 1)], node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        converts = isinstance(node.func, ast.Name) and node.func.id in _CONVERSIONS
        if converts and len(node.args) == 1 and not node.keywords:
            return _call(APPLIED, [node.func, *node.args], node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node  # an annotation is no number of the model

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.AST:
        node.body = [self.visit(statement) for statement in node.body]
        return node  # its pattern takes no calls


def _call(name: str, arguments: list[ast.expr], at: ast.expr) -> ast.Call:
    call = ast.Call(ast.Name(name, ast.Load()), arguments, [])
    for node in ast.walk(call):
        if isinstance(node, ast.expr) and not hasattr(node, "lineno"):
            ast.copy_location(node, at)
    return call


def with_tracked_numbers(text: str, file: str, literals: list[Literal]) -> ast.Module:
    """The program of `text` in which numbers are tracked; their literals are added to `literals`.

    It runs with `names_for(literals)` among its builtins.
    """
    return _Tracking(file, literals).visit(ast.parse(text, file))  # type: ignore[no-any-return]  # visit is untyped


def names_for(literals: Sequence[Literal]) -> dict[str, Any]:
    def literal(number: int) -> Any:
        return tracked(literals[number].value, literals[number])

    def converted(function: Any, value: Any) -> Any:
        known = function in _CONVERSIONS.values() and isinstance(value, int | float)
        return applied(function, value) if known else function(value)

    return {LITERAL: literal, APPLIED: converted}
