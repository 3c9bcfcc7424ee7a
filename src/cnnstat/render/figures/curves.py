"""Curves, in panels side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..pictures import Curves
from .ink import COLOURS, INK, entitle, frame

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_curves(curves: Curves) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(4.5 * len(curves.panels), 3.2))
    for place, panel in enumerate(curves.panels, start=1):
        axes = figure.add_subplot(1, len(curves.panels), place)
        drawn = []
        for number, curve in enumerate(panel.curves):
            xs, ys = zip(*curve.points, strict=True)
            marker = "o" if len(xs) == 1 else "-"
            drawn += axes.plot(xs, ys, marker, color=COLOURS[number % len(COLOURS)], linewidth=1.6)
        entitle(axes, panel.title)
        axes.set_xlabel(panel.x_title, color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(color=INK, labelcolor=INK)
        frame(axes)
        names = [curve.name for curve in panel.curves]
        axes.legend(drawn, names, frameon=False, labelcolor=INK, fontsize=8.5)
    figure.tight_layout()
    return figure
