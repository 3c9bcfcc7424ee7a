"""Pictures as SVG. The only file that imports matplotlib, and only when a picture is drawn."""

from __future__ import annotations

import re
from io import StringIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..units import format_bytes, format_count
from .view import Areas, Bars, Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0e7490", "#c026d3", "#ca8a04", "#16a34a", "#2563eb", "#dc2626", "#64748b")
_INK = "#010203"  # replaced by the colour of the text around the picture


def svg(picture: Picture, standalone: bool = True) -> str:
    """Draw grouped horizontal bars, or areas over time.

    `standalone` makes a file of its own on a white ground; else a fragment for HTML that takes
    the page's text colour.
    """
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        out = StringIO()
        figure = _areas(picture) if isinstance(picture, Areas) else _bars(picture)
        figure.savefig(out, format="svg", transparent=not standalone, metadata={"Date": None})
    text = out.getvalue()
    # What stands in front of <svg> names matplotlib's DTD by an address; nothing needs it.
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Several pictures on one page must not share the names of their parts.
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{picture.key}-", text)
    return text.replace(_INK, "#1f2937" if standalone else "currentColor")


_STYLE: Any = {  # matplotlib declares the keys one by one
    "svg.fonttype": "none",
    "svg.hashsalt": "cnnstat",
    "font.size": 10,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "text.parse_math": False,
}


def _bars(bars: Bars) -> Figure:
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
                    value + largest * 0.01, offset, text, va="center", fontsize=8.5, color=_INK
                )
    axes.set_yticks(range(groups), [label for label, _ in bars.groups], color=_INK)
    axes.invert_yaxis()
    axes.set_xlim(0, largest * 1.14)
    axes.set_xticks([])
    axes.tick_params(color=_INK, length=0)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_color(_INK)
    axes.set_title(bars.title, loc="left", color=_INK, fontsize=11, fontweight="bold")
    # Named here, not at the bars: matplotlib leaves names that start with _ out of a legend.
    axes.legend(drawn, bars.series, frameon=False, labelcolor=_INK, loc="lower right",
                bbox_to_anchor=(1, 0.98), ncols=min(series, 3))  # fmt: skip
    figure.tight_layout()
    return figure


def _areas(areas: Areas) -> Figure:
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
    axes.set_yticks(levels, [format_bytes(level) for level in levels], color=_INK)
    axes.set_xticks([start for _, start in areas.marks], [name for name, _ in _apart(areas)],
                    color=_INK, ha="left")  # fmt: skip
    for _, start in areas.marks[1:]:
        axes.axvline(start, color=_INK, linewidth=0.6, linestyle=":")
    axes.tick_params(color=_INK, length=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_INK)
    axes.set_title(areas.title, loc="left", color=_INK, fontsize=11, fontweight="bold")
    axes.legend(drawn[::-1], areas.series[::-1], frameon=False, labelcolor=_INK, fontsize=8.5,
                loc="center left", bbox_to_anchor=(1.01, 0.5))  # fmt: skip
    figure.tight_layout()
    return figure


def _apart(areas: Areas) -> list[tuple[str, int]]:
    """The marks; one too close to the next to be named has no name."""
    last = areas.points[-1][0]
    starts = [start for _, start in areas.marks] + [last * 1.2]
    wide = [after - start > last * 0.06 for start, after in pairwise(starts)]
    return [(name if w else "", start) for (name, start), w in zip(areas.marks, wide, strict=True)]
