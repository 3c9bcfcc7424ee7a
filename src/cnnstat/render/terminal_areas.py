"""Areas over time drawn with characters: the height of each column is the sum of all series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..units import format_bytes
from .pictures import Areas

_ROWS = 6
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_WIDEST = 100
_LEAST = 0.5  # of a row: what is not nothing is seen


def drawn(areas: Areas, width: int | None, decorated: bool) -> Iterator[str]:
    """The lines of the picture, each as wide as the terminal allows."""
    sums = [sum(values) for _, values in areas.points]
    most = max(sums, default=0)
    label = len(format_bytes(most))
    columns = min((width or 80) - label - 2, _WIDEST)
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
    yield " " * (label + 2) + _named(areas, starts, columns)


def _starts(points: int, columns: int) -> list[int]:
    """The first point of each column: points share columns where there are more of them."""
    if points <= columns:
        return list(range(points))
    return [column * points // columns for column in range(columns)]


def _cell(filled: float, decorated: bool) -> str:
    if not decorated:
        return "#" if filled >= _LEAST else " "
    return _EIGHTHS[max(0, min(8, round(8 * filled)))]


def _named(areas: Areas, starts: Sequence[int], columns: int) -> str:
    """The marks below the columns in which they begin, each where it fits before the next.

    The last stands further left where the line ends before its name does.
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
