"""Lines of text no wider than the terminal."""

from __future__ import annotations

import unicodedata
from itertools import accumulate, takewhile

LEAST_ROOM = 20  # characters
PIPED_WIDTH = 80  # where there is no terminal
_LONGEST = 4  # characters for a column: letters with accents of their own


def cells(text: str) -> int:
    """The columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def beginning(text: str, room: int) -> str:
    """The first characters of a text, as many as fit into `room` columns."""
    columns = accumulate(map(cells, text))
    return text[: sum(1 for _ in takewhile(lambda end: end <= room, columns))]


def cut(text: str, room: int) -> str:
    """The text, or as much of it as fits before an ellipsis."""
    return text if cells(text) <= room else f"{beginning(text, room - 1)}…"


def wrapped(
    text: str, width: int | None, first: int, rest: int, indented: bool = False
) -> list[str]:
    """The text in lines that fit behind `first` columns, and all but the first behind `rest`.

    Broken between words, and inside of one that is longer than a line. With `indented`, all but
    the first begin with the spaces that `rest` has more than `first`.
    """
    if width is None:
        return [text]
    lines: list[str] = []
    line = ""
    more = " " * (rest - first) if indented else ""

    def room() -> int:
        return max(LEAST_ROOM // 2, width - (rest if lines else first))

    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if cells(joined) <= room():
            line = joined
            continue
        if line:
            lines.append((more if lines else "") + line)
        start = 0
        while True:
            part = beginning(word[start : start + _LONGEST * room()], room())
            if start + len(part) == len(word):
                break
            lines.append((more if lines else "") + part)
            start += len(part)
        line = part
    if line or not lines:
        lines.append((more if lines else "") + line)
    return lines
