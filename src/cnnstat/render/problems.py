"""Problems as lines of text, no wider than the terminal: place, excerpt, reasons, what mends them.

error: shapes don't fit at fc1 (Linear 800→120)
  --> net.py:21:9, created at net.py:16
   |
21 | x = self.fc1(x)
   |     ^^^^^^^^^^^
  input is 1×512, the layer takes 800 features
  fix: nn.Linear(512, 120) instead of nn.Linear(800, 120) at net.py:16
       ✓ traced to the end, output 1×10
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .blocks import ChangedLine, Excerpt, Problem, Remedy
from .text_pictures import StyledLine
from .wrapping import LEAST_ROOM, beginning, cells, wrapped

_INDENT = "  "
_MARK, _FRAME, _PROOF, _LABEL = "bold red", "blue", "green", "bold green"
_LEVELS = {"error": "bold red", "warning": "bold yellow", "hint": "bold cyan"}
_SIGNS = {"-": "red", "+": "green", " ": "dim"}


def problem_lines(
    problem: Problem, width: int | None, code_width: int | None = None
) -> Iterator[StyledLine]:
    """The problem as styled lines; `width` in characters, None for no limit.

    `code_width`: at which lines of code are cut.
    """
    label = problem.label
    behind = len(label) + 2
    if width is not None and width - behind < LEAST_ROOM:  # on a line of its own
        yield ((label, _LEVELS[problem.level]), (":", "bold"))
        rest = wrapped(problem.headline, width, len(_INDENT), len(_INDENT))
    else:
        first, *rest = wrapped(problem.headline, width, behind, len(_INDENT))
        yield ((label, _LEVELS[problem.level]), (f": {first}", "bold"))
    yield from (((f"{_INDENT}{line}", "bold"),) for line in rest)
    yield from body_lines(problem, width, code_width)


def plain_lines(problem: Problem, with_excerpt: bool = True) -> list[str]:
    """The lines below the headline, for a message that indents them."""
    if not with_excerpt:
        problem = replace(problem, excerpt=None)
    lines = ("".join(text for text, _ in line) for line in body_lines(problem, None))
    return [line.removeprefix(_INDENT).rstrip() for line in lines]


def body_lines(
    problem: Problem, width: int | None, code_width: int | None = None
) -> Iterator[StyledLine]:
    """The lines below the headline; see `problem_lines`."""
    if problem.excerpt is not None:
        yield from _excerpt(problem.excerpt, width, code_width)
    elif problem.unplaced:
        yield from _indented(problem.unplaced, width)
    for note in problem.notes:
        yield from _indented(note, width)
    for remedy in problem.remedies:
        yield from _remedy(remedy, width, code_width)


def _indented(text: str, width: int | None, style: str = "") -> Iterator[StyledLine]:
    bare = text.lstrip(" ")
    indent = _INDENT + " " * (len(text) - len(bare))
    for place, line in enumerate(wrapped(bare, width, len(indent), len(indent) + 2)):
        yield ((f"{indent}{'  ' if place else ''}{line}", style),)


def _excerpt(excerpt: Excerpt, width: int | None, code_width: int | None) -> Iterator[StyledLine]:
    number = str(excerpt.line)
    gutter = " " * max(len(number), len(_INDENT))
    arrow = f"{gutter}--> "
    further = f", {excerpt.further}" if excerpt.further else ""
    if width is None or cells(arrow + excerpt.place + further) <= width:
        yield ((arrow, _FRAME), (f"{excerpt.place}{further}", ""))
    else:
        yield ((arrow, _FRAME), (excerpt.place, ""))  # one word: editors find it whole
        yield from _indented(excerpt.further, width)
    if not excerpt.text.strip():
        return
    text, first, end = _cut(excerpt, None if code_width is None else code_width - len(gutter) - 3)
    yield ((f"{gutter} |", _FRAME),)
    yield ((f"{number:>{len(gutter)}} | ", _FRAME), (text, ""))
    yield (
        (f"{gutter} | ", _FRAME), (" " * cells(text[:first]), ""),
        ("^" * max(1, cells(text[first:end])), _MARK),
    )  # fmt: skip


def _cut(excerpt: Excerpt, room: int | None) -> tuple[str, int, int]:
    """The line without indentation, with … in the place of what has no room; and what is marked."""
    text = excerpt.text.rstrip()
    indent = len(text) - len(text.lstrip())
    text, first, end = text[indent:], max(0, excerpt.first - indent), excerpt.end - indent
    if room is None or cells(text) <= room:
        return text, first, end
    room = max(room, LEAST_ROOM)
    # the marked part in the middle, or its beginning if it is longer than the line
    start = max(0, min(first - (room - min(end - first, room)) // 2, len(text) - room))
    shown = text[start:]
    if start:
        shown = "…" + shown[1:]
    if cells(shown) > room:
        shown = beginning(shown, room - 1) + "…"
    return shown, max(first - start, 1 if start else 0), min(end - start, len(shown))


def _remedy(remedy: Remedy, width: int | None, code_width: int | None) -> Iterator[StyledLine]:
    label = f"{remedy.label}: ".ljust(5)
    hanging = len(_INDENT) + len(label)
    joined = " ".join(remedy.pieces)
    fits = width is None or hanging + cells(joined) <= width
    lines = [
        line
        for piece in ([joined] if fits else remedy.pieces)
        for line in wrapped(piece, width, hanging, hanging + 2, indented=True)
    ]
    for place, line in enumerate(lines):
        head = _INDENT + label if not place else " " * hanging
        yield ((head, _LABEL if not place else ""), (line, ""))
    for change in remedy.changes:
        yield from _changed(change, " " * hanging, code_width)
    proof = remedy.proof
    for line in wrapped(proof, width, hanging, hanging + 2, indented=True) if proof else ():
        yield ((" " * hanging, ""), (line, _PROOF))


def _changed(change: ChangedLine, indent: str, width: int | None) -> Iterator[StyledLine]:
    head = f"{indent}{change.line:>4} {change.sign} "
    text = change.text
    room = None if width is None else max(LEAST_ROOM, width - len(head))
    if room is not None and cells(text) > room:
        text = beginning(text, room - 1) + "…"
    yield ((f"{head}{text}", _SIGNS[change.sign]),)
