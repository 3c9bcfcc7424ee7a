"""Pictures as SVG. The only file that imports matplotlib, and only when a picture is drawn."""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING, Any

from ..units import format_count, format_rate
from .view import Bars, Dot, Picture, Roof

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0e7490", "#c026d3", "#ca8a04", "#16a34a", "#2563eb", "#dc2626")
_INK = "#010203"  # replaced by the colour of the text around the picture


def svg(picture: Picture, standalone: bool = True) -> str:
    """Draw grouped horizontal bars, or a roofline.

    `standalone` makes a file of its own on a white ground; else a fragment for HTML that takes
    the page's text colour.
    """
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        out = StringIO()
        figure = _roof(picture) if isinstance(picture, Roof) else _bars(picture)
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


_LABELLED = 6  # of the layers that take the longest


def _roof(roof: Roof) -> Figure:
    """Log–log: FLOP/s over FLOP/byte; the area of a dot is the layer's share of the time."""
    from matplotlib.figure import Figure

    ridge = roof.peak_flops / roof.bandwidth
    intensities = [dot.intensity for dot in roof.dots]
    low, high = min([ridge, *intensities]) / 4, max([ridge, *intensities]) * 4
    figure = Figure(figsize=(7.5, 4.6))
    axes = figure.add_subplot()
    axes.plot([low, ridge, high], [low * roof.bandwidth, roof.peak_flops, roof.peak_flops],
              color=_INK, linewidth=1.4)  # fmt: skip
    axes.axvline(ridge, color=_INK, linewidth=0.6, linestyle=":")
    groups = list(dict.fromkeys(dot.group for dot in roof.dots))
    drawn = []
    for place, group in enumerate(groups):
        dots = [dot for dot in roof.dots if dot.group == group]
        drawn.append(axes.scatter(
            [dot.intensity for dot in dots], [dot.rate for dot in dots],
            [24 + 900 * dot.share for dot in dots], COLOURS[place % len(COLOURS)],
            alpha=0.7, linewidths=0,
        ))  # fmt: skip
    for dot in _longest(roof.dots):
        axes.annotate(dot.name, (dot.intensity, dot.rate), (7, -11), textcoords="offset points",
                      fontsize=8, color=_INK)  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(top=roof.peak_flops * 3)
    texts = [format_rate(roof.peak_flops, "FLOP"), format_rate(roof.bandwidth, "B")]
    axes.annotate(texts[0], (high, roof.peak_flops), (-4, 5), textcoords="offset points",
                  ha="right", fontsize=8.5, color=_INK)  # fmt: skip
    axes.annotate(texts[1], (low, low * roof.bandwidth), (10, 24), textcoords="offset points",
                  fontsize=8.5, color=_INK)  # fmt: skip
    axes.annotate(f"{ridge:.3g} FLOP/byte", (ridge, 0), (4, 6), xycoords=("data", "axes fraction"),
                  textcoords="offset points", fontsize=8.5, color=_INK)  # fmt: skip
    axes.set_xlabel("FLOP per byte", color=_INK)
    axes.set_ylabel("FLOP per second", color=_INK)
    axes.tick_params(which="both", color=_INK, labelcolor=_INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_INK)
    axes.set_title(roof.title, loc="left", color=_INK, fontsize=11, fontweight="bold")
    if drawn:
        axes.legend(drawn, groups, frameon=False, labelcolor=_INK, loc="upper left", markerscale=1,
                    bbox_to_anchor=(0, 0.98))  # fmt: skip
    figure.tight_layout()
    return figure


def _longest(dots: tuple[Dot, ...]) -> list[Dot]:
    return sorted(dots, key=lambda dot: dot.share, reverse=True)[:_LABELLED]
