"""A source that does not parse: a comma, colon or bracket that is missing, a wrong indentation."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator

from ..changes import Change, Proposal, Situation
from ..literals import Span
from ..source_text import Replacement, lines_of, replaced
from ..weights import Features, Prior

_TOKENS = (tokenize.OP, tokenize.NAME, tokenize.NUMBER, tokenize.STRING)
_MOST = 3


def syntax_errors(situation: Situation) -> Iterator[Proposal]:
    frame = situation.raised.frame if situation.raised else None
    if frame is None or frame.file not in situation.texts:
        return
    text = situation.texts[frame.file]
    if _parses(text):
        return
    found = 0
    for replacements in _candidates(text, frame.file, frame.line, frame.end_line):
        if _parses(replaced(text, replacements)) and found < _MOST:
            found += 1
            features = Features(prior=Prior.SYNTAX, further_back=found)
            yield Proposal(Change(replacements=replacements), features)


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _candidates(text: str, file: str, first: int, last: int) -> Iterator[tuple[Replacement, ...]]:
    lines = [line.rstrip("\r\n") for line in lines_of(text)]
    for row, column in _token_ends(text, first, last):
        yield (_inserted(file, row, len(lines[row - 1][:column].encode()), ","),)
    for row in dict.fromkeys([*range(first, last + 1), max(1, first - 1)]):
        code = lines[row - 1].partition("#")[0].rstrip() if row <= len(lines) else ""
        for sign in (":", ")", "]", "}", "))"):
            yield (_inserted(file, row, len(code.encode()), sign),)
    yield from _indented(file, lines, first)
    if "\t" in text:
        for width in (4, 8):
            yield tuple(_without_tabs(file, lines, width))


def _inserted(file: str, row: int, column: int, text: str) -> Replacement:
    return Replacement(Span(file, row, column, row, column), text)


def _indented(file: str, lines: list[str], row: int) -> Iterator[tuple[Replacement, ...]]:
    """The line with the indentation of one above."""
    if row > len(lines):
        return
    line = lines[row - 1]
    indent = len(line) - len(line.lstrip())
    above = dict.fromkeys(len(x) - len(x.lstrip()) for x in reversed(lines[: row - 1]) if x.strip())
    for other in list(above)[:4]:
        if other != indent:
            yield (Replacement(Span(file, row, 0, row, indent), " " * other),)


def _without_tabs(file: str, lines: list[str], width: int) -> Iterator[Replacement]:
    for row, line in enumerate(lines, start=1):
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent:
            yield Replacement(Span(file, row, 0, row, len(indent)), indent.expandtabs(width))


def _token_ends(text: str, first: int, last: int) -> Iterator[tuple[int, int]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if first <= token.end[0] <= last and token.type in _TOKENS:
                yield token.end
    except (tokenize.TokenError, SyntaxError):
        return
