"""Source text: pieces of it found, shown and replaced, and its numbers tracked."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

from .literals import Literal, Span, applied, tracked

LITERAL, APPLIED = "__cnnstat_literal__", "__cnnstat_applied__"
_CONVERSIONS = {"int": int, "round": round, "float": float, "abs": abs}
_LONGEST = 100  # characters of source that are shown
_SHOWN = (ast.Call, ast.List, ast.Tuple, ast.Dict, ast.Assign, ast.Compare, ast.keyword)


@dataclass(frozen=True, slots=True)
class Replacement:
    """`text` in the place of the source at `span`."""

    span: Span
    text: str

    @property
    def inserts_lines(self) -> bool:
        """Whether it inserts lines and changes none."""
        begin, end = (self.span.line, self.span.column), (self.span.end_line, self.span.end_column)
        return begin == end and self.text.rstrip(" \t").endswith("\n")


def lines_of(text: str) -> list[str]:
    """As the parser counts them: a form feed ends no line."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n|$)", text)


def replaced(text: str, replacements: Iterable[Replacement]) -> str:
    """The source with the replacements, which may not overlap."""
    source = b"".join(line.encode() for line in lines_of(text))
    starts = _starts(text)
    # From the end, so that the places before a replacement remain valid.
    order = sorted(replacements, key=lambda r: (r.span.line, r.span.column), reverse=True)
    for replacement in order:
        begin, end = _offsets(starts, replacement.span)
        source = source[:begin] + replacement.text.encode() + source[end:]
    return source.decode()


_NEUTRAL = re.compile(r"[-+] 0\b(?!\.)|[*/] 1\b(?!\.)")  # `width * 1`
_NAME = re.compile(r"\b[^\W\d]\w*")


def redundancy(replacements: Iterable[Replacement], texts: Mapping[str, str]) -> tuple[int, int]:
    """The operations without effect that an edit of `texts` leaves, and the lines where a number
    takes the place of a name. The less, the plainer it is.
    """
    neutral = numbers = 0
    for replacement in replacements:
        line, file = replacement.span.line, replacement.span.file
        before = texts[file]
        old, new = (lines_of(text)[line - 1] for text in (before, replaced(before, [replacement])))
        neutral += max(0, len(_NEUTRAL.findall(new)) - len(_NEUTRAL.findall(old)))
        numbers += len(set(_NAME.findall(new))) < len(set(_NAME.findall(old)))
    return neutral, numbers


def _starts(text: str) -> list[int]:
    """The offset of each line in bytes."""
    return [0, *accumulate(len(line.encode()) for line in lines_of(text))]


def _offsets(starts: list[int], span: Span) -> tuple[int, int]:
    return starts[span.line - 1] + span.column, starts[span.end_line - 1] + span.end_column


def place_before(span: Span, replacements: Iterable[Replacement], text: str) -> Span | None:
    """Where a piece of the source with the replacements was in `text`; None inside of one."""
    here = [r for r in replacements if r.span.file == span.file]
    starts = _starts(text)
    begin, end = _offsets(_starts(replaced(text, here)), span)
    moved = 0
    for replacement in sorted(here, key=lambda r: (r.span.line, r.span.column)):
        old_begin, old_end = _offsets(starts, replacement.span)
        new_end = old_begin + moved + len(replacement.text.encode())
        if end <= old_begin + moved:
            break
        if begin < new_end:
            return None
        moved = new_end - old_end
    lines = [bisect_right(starts, offset - moved) for offset in (begin, end)]
    columns = [offset - moved - starts[line - 1]
               for offset, line in zip((begin, end), lines, strict=True)]  # fmt: skip
    return Span(span.file, lines[0], columns[0], lines[1], columns[1])


def piece(text: str, span: Span) -> str:
    """The source at `span`."""
    lines = [line.encode() for line in lines_of(text)]
    if span.line == span.end_line:
        return lines[span.line - 1][span.column : span.end_column].decode()
    parts = [lines[span.line - 1][span.column :], *lines[span.line : span.end_line - 1]]
    return b"".join([*parts, lines[span.end_line - 1][: span.end_column]]).decode()


@lru_cache(maxsize=32)
def parsed(text: str) -> ast.Module:
    """The syntax of a source; it may not be changed."""
    return ast.parse(text)


def span_of(node: ast.AST, file: str) -> Span:
    at: Any = node
    return Span(file, at.lineno, at.col_offset, at.end_lineno, at.end_col_offset)


# Pieces to show or replace


def shown_around(text: str, span: Span) -> Span:
    """The smallest piece of source around `span` that a reader understands without the rest.

    The line, if the source does not parse.
    """
    try:
        tree = parsed(text)
    except SyntaxError:
        return _line_of(text, span)
    around = [
        place for node in ast.walk(tree) if isinstance(node, _SHOWN)
        and (place := span_of(node, span.file)).contains(span)
    ]  # fmt: skip
    around.sort(key=lambda place: len(piece(text, place)))
    calls = [place for place in around if piece(text, place)[-1:] in ")]" and place != span]
    for place in [*calls[:1], *around]:
        if place.line == place.end_line and len(piece(text, place)) <= _LONGEST:
            return place if place != span else _line_of(text, span)
    return _line_of(text, span)


def _line_of(text: str, span: Span) -> Span:
    """The line of the source that `span` begins on, without its indentation and last comma."""
    line = text.split("\n")[span.line - 1].encode()
    bare = line.strip().rstrip(b",")
    first = len(line) - len(line.lstrip())
    place = Span(span.file, span.line, first, span.line, first + len(bare))
    return place if place.contains(span) else span


def constant_argument_spans(text: str, file: str) -> dict[Span, Span]:
    """The place of each number in an argument that is arithmetic over numbers alone → the
    argument's place.
    """
    found = {}
    for node in ast.walk(parsed(text)):
        if not isinstance(node, ast.Call):
            continue
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            numbers = list(_numbers(argument))
            if isinstance(argument, ast.BinOp) and len(numbers) > 1:
                found.update(dict.fromkeys(
                    (span_of(number, file) for number in numbers), span_of(argument, file)
                ))  # fmt: skip
    return found


def default_spans(text: str, file: str) -> Iterator[Span]:
    """The places of the defaults of arguments."""
    for function in ast.walk(parsed(text)):
        if isinstance(function, ast.FunctionDef):
            defaults = (*function.args.defaults, *function.args.kw_defaults)
            yield from (span_of(node, file) for node in defaults if node is not None)


def _numbers(node: ast.expr) -> Iterator[ast.expr]:
    """The numbers of arithmetic; none if it has anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield node
    elif isinstance(node, ast.BinOp):
        left, right = list(_numbers(node.left)), list(_numbers(node.right))
        if left and right:
            yield from (*left, *right)


# Tracked numbers


class _Tracking(ast.NodeTransformer):
    """Replaces every number by a call that returns it together with its place in the source."""

    def __init__(self, file: str, literals: list[Literal]) -> None:
        self.file = file
        self.literals = literals

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if type(node.value) not in (int, float):
            return node
        # mypy does not follow the exact type above: bool would be an int to isinstance
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
        return node  # the numbers of an annotation are types

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.AST:
        node.body = [self.visit(statement) for statement in node.body]
        return node  # a pattern may not contain calls


def _call(name: str, arguments: list[ast.expr], at: ast.expr) -> ast.Call:
    call = ast.Call(ast.Name(name, ast.Load()), arguments, [])
    for node in ast.walk(call):
        if isinstance(node, ast.expr) and not hasattr(node, "lineno"):
            ast.copy_location(node, at)
    return call


def with_tracked_numbers(text: str, file: str, literals: list[Literal]) -> ast.Module:
    """The program of `text` with its numbers tracked; their literals are added to `literals`.

    It runs with `names_for(literals)` among its builtins.
    """
    return _Tracking(file, literals).visit(ast.parse(text, file))  # type: ignore[no-any-return]  # visit is untyped


def names_for(literals: Sequence[Literal]) -> dict[str, Any]:
    def literal(number: int) -> Any:
        return tracked(literals[number].value, literals[number])

    def converted(function: Any, value: Any) -> Any:
        is_known = function in _CONVERSIONS.values() and isinstance(value, int | float)
        return applied(function, value) if is_known else function(value)

    return {LITERAL: literal, APPLIED: converted}
