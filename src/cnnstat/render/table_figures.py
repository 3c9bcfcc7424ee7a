"""A table as a picture: the text of a terminal, dark on a white card with round corners.

It is readable on white and dark pages. In SVG each word has its place, so columns stay aligned
whatever font the reader has.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from html import escape
from typing import Literal

from .text_pictures import StyledLine
from .wrapping import cells

_CHARACTER, _LINE, _MARGIN, _SIZE = 7.826, 18, 16, 13  # pixels
_INK = {"bold": "#0f172a", "dim": "#64748b"}
_TEXT, _PAPER, _BORDER = "#1f2937", "#ffffff", "#d0d7de"
_COLOURS = {"red": "#b91c1c", "green": "#15803d", "yellow": "#a16207", "blue": "#1d4ed8",
            "cyan": "#0e7490", "magenta": "#a21caf"}  # fmt: skip
_WORDS = re.compile(r"\S+(?: \S+)*")
_POINTS = 72 / 96  # in a pixel


def draw_lines(lines: Sequence[StyledLine], format: Literal["svg", "png", "pdf"]) -> str | bytes:
    """The lines as a picture."""
    return _svg(lines) if format == "svg" else _drawn(lines, format)


def _size(lines: Sequence[StyledLine]) -> tuple[float, float]:
    longest = max((cells("".join(text for text, _ in line)) for line in lines), default=1)
    return 2 * _MARGIN + longest * _CHARACTER, 2 * _MARGIN + len(lines) * _LINE


def _words(lines: Sequence[StyledLine]) -> Iterator[tuple[float, float, str, str]]:
    """The place of each word in pixels, the word, and its style; words of one cell together."""
    for row, line in enumerate(lines):
        column = 0
        for text, style in line:
            for found in _WORDS.finditer(text):
                x = _MARGIN + (column + cells(text[: found.start()])) * _CHARACTER
                yield x, _MARGIN + (row + 0.75) * _LINE, found[0], style
            column += cells(text)


def _colour(style: str) -> str:
    names = style.split()
    return next((_COLOURS[name] for name in names if name in _COLOURS),
                _INK["dim"] if "dim" in names else _TEXT)  # fmt: skip


def _svg(lines: Sequence[StyledLine]) -> str:
    width, height = _size(lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" '
        f'font-family="\'DejaVu Sans Mono\', Menlo, Consolas, monospace" font-size="{_SIZE}">',
        f'<rect x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" rx="6" '
        f'fill="{_PAPER}" stroke="{_BORDER}"/>',
    ]
    for x, y, word, style in _words(lines):
        bold = ' font-weight="bold"' if "bold" in style.split() else ""
        parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" textLength="{cells(word) * _CHARACTER:.1f}" '
            f'fill="{_colour(style)}"{bold} xml:space="preserve">{escape(word)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _drawn(lines: Sequence[StyledLine], format: Literal["png", "pdf"]) -> bytes:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from .figures import STYLE, saved

    width, height = _size(lines)
    with mpl.rc_context({**STYLE, "font.family": "DejaVu Sans Mono"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that the font lacks is a box
        figure = Figure(figsize=(width / 96, height / 96), facecolor=_PAPER)
        for x, y, word, style in _words(lines):
            weight = "bold" if "bold" in style.split() else "normal"
            figure.text(x / width, 1 - y / height, word, color=_colour(style), fontweight=weight,
                        fontsize=_SIZE * _POINTS)  # fmt: skip
        return saved(figure, format)
