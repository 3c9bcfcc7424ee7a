"""Grouped horizontal bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...units import format_count
from ..pictures import Bars
from .ink import COLOURS, INK, entitle

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_bars(bars: Bars) -> Figure:
    from matplotlib.figure import Figure

    series, groups = len(bars.series), len(bars.groups)
    height = 0.8 / max(1, series)
    largest = max((v for _, group in bars.groups for v in group if v), default=1)
    figure = Figure(figsize=(7.5, 1.1 + (0.27 * series + 0.12) * groups))
    axes = figure.add_subplot()
    drawn = []
    for place in range(series):
        offsets = [row + (place - (series - 1) / 2) * height for row in range(groups)]
        values = [group[place] or 0 for _, group in bars.groups]
        colour = COLOURS[place % len(COLOURS)]
        drawn.append(axes.barh(offsets, values, height * 0.9, color=colour))
        for offset, (_, group) in zip(offsets, bars.groups, strict=True):
            if (value := group[place]) is not None:
                text = format_count(value)
                axes.text(
                    value + largest * 0.01, offset, text, va="center", fontsize=8.5, color=INK
                )
    axes.set_yticks(range(groups), [label for label, _ in bars.groups], color=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, largest * 1.14)
    axes.set_xticks([])
    axes.tick_params(color=INK, length=0)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_color(INK)
    entitle(axes, bars.title)
    # Named here, not at the bars: matplotlib leaves names that start with _ out of a legend.
    axes.legend(drawn, bars.series, frameon=False, labelcolor=INK, loc="lower right",
                bbox_to_anchor=(1, 0.98), ncols=min(series, 3))  # fmt: skip
    figure.tight_layout()
    return figure
