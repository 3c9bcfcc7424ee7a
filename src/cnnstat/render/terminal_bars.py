"""Bars drawn with characters, one below the other, each with its number behind it."""

from __future__ import annotations

from collections.abc import Iterator

from .pictures import Bars

_GAP = 2
_PARTS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")


def drawn(bars: Bars, width: int | None, decorated: bool) -> Iterator[tuple[tuple[str, str], ...]]:
    """A line for each bar, the longest as long as the terminal allows: texts with their styles."""
    values = [value for _, group in bars.groups for value in group if value]
    labels = [max(len(label) for label, _ in bars.groups), max(map(len, bars.series))]
    figures = max((len(f"{value:,}") for value in values), default=1)
    room = max(10, (width or 80) - sum(labels) - figures - 3 * _GAP)
    for label, group in bars.groups:
        shown = label
        for place, (series, value) in enumerate(zip(bars.series, group, strict=True)):
            if value is None:
                continue
            bar = _bar(value / max(values, default=1) * room, decorated)
            yield (
                (f"{shown:<{labels[0]}}  {series:<{labels[1]}}  ", ""),
                (bar, _COLOURS[place % len(_COLOURS)]),
                (f"{' ' * _GAP if value else ''}{value:,}", ""),
            )
            shown = ""


def _bar(length: float, decorated: bool) -> str:
    if not decorated:
        return "#" * max(round(length), int(length > 0))
    eighths: int = max(round(8 * length), int(length > 0))
    return "█" * (eighths // 8) + _PARTS[eighths % 8]
