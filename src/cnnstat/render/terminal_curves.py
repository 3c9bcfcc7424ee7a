"""Curves in the terminal, drawn by plotext (extra `bench`); without it the table has to do."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from .pictures import Curves, Panel

_HEIGHT, _WIDEST = 14, 100

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
    """Whole numbers below, and the names where such curves leave room: at their falling end above,
    at their rising end below.
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
