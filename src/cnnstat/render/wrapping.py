"""Lines of text no wider than the terminal."""

from __future__ import annotations

import unicodedata

LEAST_ROOM = 20  # characters


def cells(text: str) -> int:
    """The columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


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
        while cells(word) > room():
            part = word
            while cells(part) > room():
                part = part[:-1]
            lines.append((more if lines else "") + part)
            word = word[len(part) :]
        line = word
    if line or not lines:
        lines.append((more if lines else "") + line)
    return lines
