"""A change as a person would be told it: the new text, the old one, and where it stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..inputs import InputSpec, format_shape
from .changes import Change
from .literals import Span
from .placing import Places
from .rewriting import Replacement, piece, replaced, span_of

_LONGEST = 100  # characters of source that are shown
_SHOWN = (ast.Call, ast.List, ast.Tuple, ast.Dict, ast.Assign, ast.Compare, ast.keyword)


def wording(
    change: Change, texts: Mapping[str, str], places: Places, inputs: Sequence[InputSpec]
) -> tuple[str, str | None, str | None]:
    """(edit, instead of, place); `texts` are the sources before the change, by file."""
    if change.replacements:
        return _of_text(change.replacements, texts, places)
    if change.arguments:
        name, value = next(iter(change.arguments.items()))
        return f"--arg {name}={value}", None, None
    assert change.inputs is not None
    told = " and ".join(_input(i) for i in change.inputs)
    return f"input {told}", " and ".join(_input(i) for i in inputs), None


def _input(spec: InputSpec) -> str:
    return format_shape(spec.shape) + ("" if spec.dtype == "float32" else f" of {spec.dtype}")


def _of_text(
    replacements: Sequence[Replacement], texts: Mapping[str, str], places: Places
) -> tuple[str, str, str]:
    first, last = replacements[0].span, replacements[-1].span
    text = texts[first.file]
    whole = replace(first, end_line=last.end_line, end_column=last.end_column)
    shown = _shown_around(text, whole)
    before = piece(text, shown)
    after = replaced(before, [Replacement(_moved(r.span, shown), r.text) for r in replacements])
    return after, before, places.named(first.file, first.line)


def _moved(span: Span, start: Span) -> Span:
    """The place of `span` in the piece of text that begins where `start` does."""
    first = start.column if span.line == start.line else 0
    last = start.column if span.end_line == start.line else 0
    return Span("", span.line - start.line + 1, span.column - first,
                span.end_line - start.line + 1, span.end_column - last)  # fmt: skip


def _shown_around(text: str, span: Span) -> Span:
    """The smallest piece of source around `span` that says what it is about."""
    around = [
        place for node in ast.walk(ast.parse(text)) if isinstance(node, _SHOWN)
        and (place := span_of(node, span.file)).holds(span)
    ]  # fmt: skip
    around.sort(key=lambda place: len(piece(text, place)))
    calls = [place for place in around if piece(text, place)[-1:] in ")]" and place != span]
    for place in [*calls[:1], *around]:
        if place.line == place.end_line and len(piece(text, place)) <= _LONGEST:
            return place if place != span else _line_of(text, span)
    return _line_of(text, span)


def _line_of(text: str, span: Span) -> Span:
    """The line of the source that `span` begins on, without what surrounds it."""
    line = text.split("\n")[span.line - 1].encode()
    bare = line.strip().rstrip(b",")
    first = len(line) - len(line.lstrip())
    whole = Span(span.file, span.line, first, span.line, first + len(bare))
    return whole if whole.holds(span) else span


def constant_arguments(text: str, file: str) -> dict[Span, Span]:
    """Of each number in arithmetic over numbers alone that is an argument: the argument's place."""
    found = {}
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            numbers = list(_numbers(argument))
            if isinstance(argument, ast.BinOp) and len(numbers) > 1:
                found.update(dict.fromkeys(
                    (span_of(number, file) for number in numbers), span_of(argument, file)
                ))  # fmt: skip
    return found


def _numbers(node: ast.expr) -> Iterator[ast.expr]:
    """The numbers of arithmetic; nothing where anything else stands in it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield node
    elif isinstance(node, ast.BinOp):
        left, right = list(_numbers(node.left)), list(_numbers(node.right))
        if left and right:
            yield from (*left, *right)
