"""Areas over time, one on top of the other."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ...units import format_bytes
from ..pictures import Areas
from .ink import COLOURS, INK, entitle, frame

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_areas(areas: Areas) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 3.6))
    axes = figure.add_subplot()
    times = [time for time, _ in areas.points]
    values = list(zip(*(held for _, held in areas.points), strict=True))
    drawn = axes.stackplot(times, *values, colors=COLOURS, step="post", linewidth=0)
    most = max((sum(held) for _, held in areas.points), default=1)
    axes.set_xlim(times[0], max(times[-1], times[0] + 1))
    axes.set_ylim(0, most * 1.12)
    levels = [round(most * part / 4) for part in range(5)]
    axes.set_yticks(levels, [format_bytes(level) for level in levels], color=INK)
    axes.set_xticks([start for _, start in areas.marks], [name for name, _ in _apart(areas)],
                    color=INK, ha="left")  # fmt: skip
    for _, start in areas.marks[1:]:
        axes.axvline(start, color=INK, linewidth=0.6, linestyle=":")
    axes.tick_params(color=INK, length=0)
    frame(axes)
    entitle(axes, areas.title)
    axes.legend(drawn[::-1], areas.series[::-1], frameon=False, labelcolor=INK, fontsize=8.5,
                loc="center left", bbox_to_anchor=(1.01, 0.5))  # fmt: skip
    figure.tight_layout()
    return figure


def _apart(areas: Areas) -> list[tuple[str, int]]:
    """The marks; one too close to the next to be named has no name."""
    last = areas.points[-1][0]
    starts = [start for _, start in areas.marks] + [last * 1.2]
    wide = [after - start > last * 0.06 for start, after in pairwise(starts)]
    return [(name if w else "", start) for (name, start), w in zip(areas.marks, wide, strict=True)]
