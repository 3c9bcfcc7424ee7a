"""Curves in the terminal, drawn by plotext (extra `bench`); without it the table has to do."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from .view import Curves

_HEIGHT = 14

Line = tuple[tuple[str, str], ...]


def drawn(curves: Curves, width: int) -> Iterator[Line]:
    """The panels one below the other, as wide as the terminal but at most 100 characters."""
    try:
        plotext: Any = importlib.import_module("plotext")
    except ImportError:
        return
    figure = plotext.figure
    for panel in curves.panels:
        figure.clear()
        figure.plot_size(min(width, 100), _HEIGHT)
        figure.title(f"{panel.title} by {panel.x_title}")
        for curve in panel.curves:
            xs, ys = zip(*curve.points, strict=True)
            signal = figure.signal(list(xs), list(ys), marker="braille").lines()
            figure.draw(signal.label(curve.name))
        figure.theme("simple")
        yield from (((line, "ansi"),) for line in str(figure.build()).splitlines())
    figure.clear()
