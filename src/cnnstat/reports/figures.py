"""Pictures as SVG. The only file that imports matplotlib, and only when a picture is drawn."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from typing import TYPE_CHECKING, Any

from ..units import format_count
from .view import Bars, Curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0e7490", "#c026d3", "#ca8a04", "#16a34a", "#2563eb", "#dc2626")
_INK = "#010203"  # replaced by the colour of the text around the picture


def svg(bars: Bars, standalone: bool = True) -> str:
    """Draw grouped horizontal bars.

    `standalone` makes a file of its own on a white ground; else a fragment for HTML that takes
    the page's text colour.
    """
    return _svg(lambda: _draw(bars), bars.key, standalone)


def curves_svg(curves: Curves, standalone: bool = True) -> str:
    """Draw curves, their panels side by side; `standalone` as above."""
    return _svg(lambda: _draw_curves(curves), curves.key, standalone)


def _svg(draw: Callable[[], Figure], key: str, standalone: bool) -> str:
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        out = StringIO()
        draw().savefig(out, format="svg", transparent=not standalone, metadata={"Date": None})
    text = out.getvalue()
    # What stands in front of <svg> names matplotlib's DTD by an address; nothing needs it.
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Several pictures on one page must not share the names of their parts.
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{key}-", text)
    return text.replace(_INK, "#1f2937" if standalone else "currentColor")


_STYLE: Any = {  # matplotlib declares the keys one by one
    "svg.fonttype": "none",
    "svg.hashsalt": "cnnstat",
    "font.size": 10,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "text.parse_math": False,
}


def _draw(bars: Bars) -> Figure:
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


def _draw_curves(curves: Curves) -> Figure:
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
        axes.set_title(panel.title, loc="left", color=_INK, fontsize=11, fontweight="bold")
        axes.set_xlabel(panel.x_title, color=_INK)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(color=_INK, labelcolor=_INK)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(_INK)
        names = [curve.name for curve in panel.curves]
        axes.legend(drawn, names, frameon=False, labelcolor=_INK, fontsize=8.5)
    figure.tight_layout()
    return figure
