"""Pictures drawn with characters, for the terminal and for Markdown without picture files.

A line is a tuple of spans, each a text and its style as rich names it; "ansi" has its own colours.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

from ..units import format_bytes
from .blocks import Areas, Bars, Cell, Curves, Panel
from .wrapping import cut

StyledLine = tuple[tuple[str, str], ...]

_GAP = 2
_WIDEST = 100
_DEFAULT_WIDTH = 80


# ---------------------------------------------------------------- bars

_PARTIAL_BLOCKS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
_SHORTEST_BAR = 10  # characters, of the longest
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")


def draw_bars(bars: Bars, width: int | None, decorated: bool) -> Iterator[StyledLine]:
    """A line per bar, with its number at the end; the longest fills the terminal.

    Where the terminal is too narrow, the label of a group is above its bars.
    """
    values = [value for _, group in bars.groups for value in group if value]
    labels = [max(len(label) for label, _ in bars.groups), max(map(len, bars.series))]
    figures = max((len(_figure(value, bars)) for value in values), default=1)
    columns = (width or _DEFAULT_WIDTH) - figures - 3 * _GAP
    is_narrow = columns - sum(labels) < _SHORTEST_BAR
    if is_narrow:
        labels = [0, max(1, min(labels[1], columns - _SHORTEST_BAR))]
    room = max(_SHORTEST_BAR, columns - sum(labels))
    for label, group in bars.groups:
        shown = label
        if is_narrow and any(value is not None for value in group):
            yield ((cut(label, width or _DEFAULT_WIDTH), ""),)
            shown = ""
        for place, (series, value) in enumerate(zip(bars.series, group, strict=True)):
            if value is None:
                continue
            bar = _bar(value / max(values, default=1) * room, decorated)
            yield (
                (f"{shown:<{labels[0]}}  {cut(series, labels[1]):<{labels[1]}}  ", ""),
                (bar, _COLOURS[place % len(_COLOURS)]),
                (f"{' ' * _GAP if value else ''}{_figure(value, bars)}", ""),
            )
            shown = ""


def _figure(value: int, bars: Bars) -> str:
    return Cell(value, bars.kind, "0").text


def _bar(length: float, decorated: bool) -> str:
    """A bar of that many characters; a value above 0 is always visible."""
    if not decorated:
        return "#" * max(round(length), int(length > 0))
    eighths: int = max(round(8 * length), int(length > 0))
    return "█" * (eighths // 8) + _PARTIAL_BLOCKS[eighths % 8]


# ---------------------------------------------------------------- areas

_ROWS = 6
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_LEAST = 0.5  # of a row: a value above 0 is always visible


def draw_areas(areas: Areas, width: int | None, decorated: bool) -> Iterator[str]:
    """The lines of the picture: the height of a column is the sum of all series."""
    sums = [sum(values) for _, values in areas.points]
    most = max(sums, default=0)
    label = len(format_bytes(most))
    columns = max(_SHORTEST_BAR, min((width or _DEFAULT_WIDTH) - label - 2, _WIDEST))
    starts = _starts(len(sums), columns)
    heights = [
        max(sums[start:end]) / max(1, most)
        for start, end in zip(starts, [*starts[1:], len(sums)], strict=True)
    ]
    for row in reversed(range(_ROWS)):
        name = format_bytes(most) if row == _ROWS - 1 else ""
        parts = [max(height * _ROWS, _LEAST if height else 0) - row for height in heights]
        cells = "".join(_cell(part, decorated) for part in parts)
        yield f"{name:>{label}}  {cells}"
    yield " " * (label + 2) + _mark_names(areas, starts, columns)


def _starts(points: int, columns: int) -> list[int]:
    """The first point of each column. With more points than columns, points share columns."""
    if points <= columns:
        return list(range(points))
    return [column * points // columns for column in range(columns)]


def _cell(filled: float, decorated: bool) -> str:
    if not decorated:
        return "#" if filled >= _LEAST else " "
    return _EIGHTHS[max(0, min(8, round(8 * filled)))]


def _mark_names(areas: Areas, starts: Sequence[int], columns: int) -> str:
    """The names of the marks, each below the column in which it begins.

    A name that would reach the next one is left out; one that would pass the end of the line is
    moved to the left.
    """
    times = [time for time, _ in areas.points]
    places = []
    for name, time in areas.marks:
        point = times.index(time)
        column = max(c for c, start in enumerate(starts) if start <= point)
        places.append((min(column, columns - len(name)), name))
    line = ""
    for (column, name), (after, _) in zip(places, [*places[1:], (columns + 1, "")], strict=True):
        if len(name) < after - column and column >= len(line):
            line = line.ljust(column) + name
    return line


# ---------------------------------------------------------------- curves

_HEIGHT = 14


def draw_curves(curves: Curves, width: int) -> Iterator[StyledLine]:
    """The panels one below the other, at most 100 characters wide.

    plotext (extra `bench`) draws them; without it nothing is drawn, and the table is enough.
    """
    try:
        plotext: Any = importlib.import_module("plotext")
    except ImportError:
        return
    figure = plotext.figure
    for panel in curves.panels:
        figure.clear()
        figure.plot_size(min(width, _WIDEST), _HEIGHT)
        for curve in panel.curves:
            xs, ys = zip(*curve.points, strict=True)
            signal = figure.signal(list(xs), list(ys), marker="braille").lines()
            figure.draw(signal.label(curve.name))
        _lay_out(figure, panel)
        yield ((f"{panel.title} by {panel.x_title}", "bold"),)
        yield from (((line, "ansi"),) for line in str(figure.build()).splitlines())
    figure.clear()


def _lay_out(figure: Any, panel: Panel) -> None:
    """Whole numbers at the x axis, and the legend in the corner that the curves leave empty: top
    right if they fall, bottom right if they rise.
    """
    xs = [x for curve in panel.curves for x, _ in curve.points]
    ys = [y for curve in panel.curves for _, y in curve.points]
    falls = sum(curve.points[-1][1] - curve.points[0][1] for curve in panel.curves) < 0
    stride = max(1, round((max(xs) - min(xs)) / 10))
    ticks = list(range(int(min(xs)), int(max(xs)) + 1, stride))
    figure.ruler("x").ticks(ticks, [str(tick) for tick in ticks])
    y, side = (max(ys), "top") if falls else (min(ys), "bottom")
    figure.legend(True, x=max(xs), y=y, ha="right", va=side, relative=True)
    figure.theme("simple")
