"""Pictures as SVG. The only file that imports matplotlib, and only when a picture is drawn."""

from __future__ import annotations

import re
from io import StringIO
from math import log10
from typing import TYPE_CHECKING, Any

from ..units import format_count, format_rate, format_share
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


_LISTED = 6  # layers that take the longest


def _roof(roof: Roof) -> Figure:
    """Log–log: FLOP/s over FLOP/byte; the area of a dot tells the layer's share of the time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.8))
    axes = figure.add_subplot()
    ridge = roof.peak_flops / roof.bandwidth
    intensities = [ridge, *(dot.intensity for dot in roof.dots)]
    low, high = min(intensities) / 4, max(intensities) * 6
    middle = (low * ridge) ** 0.5
    axes.plot([low, ridge, high], [low * roof.bandwidth, roof.peak_flops, roof.peak_flops],
              color=_INK, linewidth=1.4)  # fmt: skip
    axes.axvline(ridge, color=_INK, linewidth=0.6, linestyle=":")
    _dots(axes, roof.dots)
    notes: list[tuple[str, tuple[float, float], tuple[int, int], str]] = [
        (format_rate(roof.peak_flops, "FLOP"), (high, roof.peak_flops), (-4, 5), "right"),
        (format_rate(roof.bandwidth, "B"), (middle, middle * roof.bandwidth), (-6, 5), "right"),
        (f"{ridge:.3g} FLOP/byte", (ridge, low * roof.bandwidth), (-4, -4), "right"),
    ]
    for text, place, offset, side in notes:
        axes.annotate(text, place, offset, textcoords="offset points", ha=side, fontsize=8.5,
                      color=_INK)  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=(low, high), xlabel="FLOP per byte")
    axes.set_ylim(low * roof.bandwidth / 2, roof.peak_flops * 4)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}" if x >= 1 else f"{x:g}")
    axes.yaxis.set_major_formatter(lambda y, _: format_rate(y, "FLOP"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(lambda *_: "")
    axes.tick_params(which="both", color=_INK, labelcolor=_INK)
    axes.set_xlabel(f"FLOP per byte\n{roof.caption}", color=_INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_INK)
    axes.set_title(roof.title, loc="left", color=_INK, fontsize=11, fontweight="bold")
    figure.tight_layout()
    return figure


def _dots(axes: Any, dots: tuple[Dot, ...]) -> None:
    """The layers, coloured by role; those that take the longest are numbered and listed."""
    groups = list(dict.fromkeys(dot.group for dot in dots))
    drawn = []
    for place, group in enumerate(groups):
        own = [dot for dot in dots if dot.group == group]
        drawn.append(axes.scatter(
            [dot.intensity for dot in own], [dot.rate for dot in own],
            [24 + min(900 * dot.share, 250) for dot in own], COLOURS[place % len(COLOURS)],
            alpha=0.7, linewidths=0,
        ))  # fmt: skip
    if drawn:
        axes.legend(drawn, groups, frameon=False, labelcolor=_INK, loc="upper left")
    listed = sorted(dots, key=lambda dot: dot.share, reverse=True)[:_LISTED]
    together: dict[tuple[float, float], list[int]] = {}  # dots in one place share a label
    for number, dot in enumerate(listed, start=1):
        together.setdefault((round(log10(dot.intensity), 1), round(log10(dot.rate), 1)), []).append(
            number
        )
    for numbers in together.values():
        dot = listed[numbers[0] - 1]
        axes.annotate(", ".join(map(str, numbers)), (dot.intensity, dot.rate), (6, -14),
                      textcoords="offset points", fontsize=8.5, color=_INK)  # fmt: skip
    lines = [f"{n}  {dot.name}  {format_share(dot.share)}" for n, dot in enumerate(listed, 1)]
    axes.text(0.98, 0.04, "\n".join(lines), transform=axes.transAxes, ha="right", fontsize=8.5,
              color=_INK, linespacing=1.4)  # fmt: skip
