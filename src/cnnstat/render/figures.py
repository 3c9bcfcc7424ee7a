"""Pictures as SVG, PNG and PDF. matplotlib is imported only when one is drawn."""

from __future__ import annotations

import re
from io import BytesIO, StringIO
from itertools import pairwise
from math import log10
from typing import TYPE_CHECKING, Any, Literal

from ..units import format_bytes, format_count, format_rate, format_share
from .blocks import Areas, Bars, Curve, Curves, Dot, Heatmap, ImageGrid, Picture, Roof

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0e7490", "#c026d3", "#ca8a04", "#16a34a", "#2563eb", "#dc2626", "#64748b", "#92400e",
           "#7dd3fc")  # fmt: skip
# on paper without colours series differ by these
_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oo", "----", "**")
_HATCH_INK = "#ffffff"
_LINES = ("-", "--", "-.", ":")
_MARKERS = "os^Dv<>PX"
INK = "#010203"  # replaced by the text colour of the page


def svg(picture: Picture, standalone: bool = True) -> str:
    """Draw a picture as a `standalone` file with a white background, or as a fragment of HTML in
    the page's text colour.
    """
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        out = StringIO()
        _figure_of(picture).savefig(
            out, format="svg", transparent=not standalone, metadata={"Date": None}
        )
    text = out.getvalue()
    # the text before <svg> has only the address of a DTD
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # ids must be unique among the pictures of a page
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{picture.key}-", text)
    return text.replace(INK, "#1f2937" if standalone else "currentColor")


def draw(picture: Picture, format: Literal["svg", "png", "pdf"]) -> str | bytes:
    """A picture as a file, for a page of white paper: the fonts are in a PDF, a PNG has 200 dpi."""
    import matplotlib as mpl

    if format == "svg":
        return svg(picture)
    with mpl.rc_context(STYLE):
        return saved(_figure_of(picture), format)


def saved(figure: Figure, format: Literal["png", "pdf"]) -> bytes:
    """The content of the file; it has no date, so that it is the same again."""
    out = BytesIO()
    metadata = {"CreationDate": None} if format == "pdf" else {"Software": None}
    figure.savefig(out, format=format, dpi=200, metadata=metadata)
    return out.getvalue()


STYLE: Any = {  # matplotlib types the keys one by one
    "svg.fonttype": "none",
    "hatch.linewidth": 0.7,
    "pdf.fonttype": 42,  # TrueType: journals refuse type 3
    "svg.hashsalt": "cnnstat",
    "font.size": 10,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "text.parse_math": False,
}


def _figure_of(picture: Picture) -> Figure:
    match picture:
        case Bars():
            return _bars(picture)
        case Areas():
            return _areas(picture)
        case Roof():
            return _roof(picture)
        case Curves():
            return _curves(picture)
        case Heatmap():
            return _heatmap(picture)
        case ImageGrid():
            return _image_grid(picture)


def _frame(axes: Any) -> None:
    """Draw the left and the bottom line only."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(INK)


def _set_title(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")


def _length(value: float) -> float:
    """A number that matplotlib can draw: integers beyond 64 bits it cannot."""
    return float(min(value, _LONGEST))


_LONGEST = 1e300


def _bars(bars: Bars) -> Figure:
    from matplotlib.figure import Figure

    series, groups = len(bars.series), len(bars.groups)
    height = 0.8 / max(1, series)
    largest = _length(max((v for _, group in bars.groups for v in group if v), default=1))
    figure = Figure(figsize=(7.5, 1.1 + (0.27 * series + 0.12) * groups))
    axes = figure.add_subplot()
    drawn = []
    for place in range(series):
        offsets = [row + (place - (series - 1) / 2) * height for row in range(groups)]
        values = [_length(group[place] or 0) for _, group in bars.groups]
        colour = COLOURS[place % len(COLOURS)]
        hatch = _HATCHES[place % len(_HATCHES)]
        drawn.append(axes.barh(offsets, values, height * 0.9, color=colour, hatch=hatch,
                               edgecolor=_HATCH_INK, linewidth=0))  # fmt: skip
        for offset, (_, group) in zip(offsets, bars.groups, strict=True):
            if (value := group[place]) is not None:
                text = format_count(value)
                end = _length(value) + largest * 0.01
                axes.text(end, offset, text, va="center", fontsize=8.5, color=INK)
    axes.set_yticks(range(groups), [label for label, _ in bars.groups], color=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, largest * 1.14)
    axes.set_xticks([])
    axes.tick_params(color=INK, length=0)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_color(INK)
    _set_title(axes, bars.title)
    # Labels of bars that start with _ would be missing from the legend.
    axes.legend(drawn, bars.series, frameon=False, labelcolor=INK, loc="lower right",
                bbox_to_anchor=(1, 0.98), ncols=min(series, 3))  # fmt: skip
    figure.tight_layout()
    return figure


def _areas(areas: Areas) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 3.6))
    axes = figure.add_subplot()
    times = [time for time, _ in areas.points]
    values = list(zip(*(heights for _, heights in areas.points), strict=True))
    drawn = axes.stackplot(times, *values, colors=COLOURS, step="post", linewidth=0)
    for place, area in enumerate(drawn):
        area.set_hatch(_HATCHES[place % len(_HATCHES)])
        area.set_edgecolor(_HATCH_INK)
    most = max((sum(heights) for _, heights in areas.points), default=1)
    axes.set_xlim(times[0], max(times[-1], times[0] + 1))
    axes.set_ylim(0, most * 1.12)
    levels = [round(most * part / 4) for part in range(5)]
    axes.set_yticks(levels, [format_bytes(level) for level in levels], color=INK)
    axes.set_xticks([start for _, start in areas.marks], [name for name, _ in _spaced_marks(areas)],
                    color=INK, ha="left")  # fmt: skip
    for _, start in areas.marks[1:]:
        axes.axvline(start, color=INK, linewidth=0.6, linestyle=":")
    axes.tick_params(color=INK, length=0)
    _frame(axes)
    _set_title(axes, areas.title)
    axes.legend(drawn[::-1], areas.series[::-1], frameon=False, labelcolor=INK, fontsize=8.5,
                loc="center left", bbox_to_anchor=(1.01, 0.5))  # fmt: skip
    figure.tight_layout()
    return figure


def _spaced_marks(areas: Areas) -> list[tuple[str, int]]:
    """The marks; one too close to the next has an empty name."""
    last = areas.points[-1][0]
    starts = [start for _, start in areas.marks] + [last * 1.2]
    wide = [after - start > last * 0.06 for start, after in pairwise(starts)]
    return [(name if w else "", start) for (name, start), w in zip(areas.marks, wide, strict=True)]


def _curves(curves: Curves) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(3.9 * len(curves.panels) + 1.6, 3.2), layout="constrained")
    drawn: dict[str, Any] = {}
    for place, panel in enumerate(curves.panels, start=1):
        axes = figure.add_subplot(1, len(curves.panels), place)
        for number, curve in enumerate(panel.curves):
            xs, ys = zip(*curve.points, strict=True)
            (line,) = axes.plot(xs, ys, linewidth=1.6, markersize=4.5, **_line_style(curve, number))
            line.set_markevery(max(1, len(xs) // 8))
            drawn.setdefault(curve.name, line)
        _set_title(axes, panel.title)
        axes.set_xlabel(panel.x_title, color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(color=INK, labelcolor=INK)
        _frame(axes)
    figure.legend(drawn.values(), drawn, frameon=False, labelcolor=INK, fontsize=8.5,
                  loc="outside right center", handlelength=3)  # fmt: skip
    return figure


def _line_style(curve: Curve, number: int) -> dict[str, Any]:
    """A colour and a marker for each series, dashes and hollow markers for its second curve."""
    if curve.series is None:
        marker = "o" if len(curve.points) == 1 else ""
        line = _LINES[number % len(_LINES)]
        return {"color": COLOURS[number % len(COLOURS)], "linestyle": line, "marker": marker}
    return {
        "color": COLOURS[curve.series % len(COLOURS)],
        "marker": _MARKERS[curve.series % len(_MARKERS)],
        "linestyle": "--" if curve.dashed else "-",
        "markerfacecolor": "none" if curve.dashed else None,
    }


_SHADED = 0.55
"""Of the darkest cell of a heatmap; above this share of it the number in a cell is white."""


def _heatmap(heatmap: Heatmap) -> Figure:
    from matplotlib.figure import Figure

    count = len(heatmap.labels)
    side = 1.4 + max(1.6, 0.34 * count)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot()
    most = max((value for row in heatmap.values for value in row), default=1) or 1
    axes.imshow(heatmap.values, cmap="Blues", vmin=0, vmax=most)
    for y, row in enumerate(heatmap.values):
        for x, value in enumerate(row):
            if value and count <= 20:  # more would be too small to read
                colour = "#ffffff" if value > _SHADED * most else "#1f2937"
                axes.text(x, y, f"{value}", ha="center", va="center", fontsize=7.5, color=colour)
    turned = 90 if max(map(len, heatmap.labels)) > 3 else 0
    axes.set_xticks(range(count), heatmap.labels, color=INK, fontsize=8, rotation=turned)
    axes.set_yticks(range(count), heatmap.labels, color=INK, fontsize=8)
    axes.tick_params(color=INK, length=0)
    axes.set_xlabel(heatmap.x_title, color=INK)
    axes.set_ylabel(heatmap.y_title, color=INK)
    _frame(axes)
    _set_title(axes, heatmap.title)
    return figure


_COLUMNS = 6


def _image_grid(grid: ImageGrid) -> Figure:
    from base64 import b64decode

    import numpy as np
    from matplotlib.figure import Figure

    rows = -(-len(grid.images) // _COLUMNS)
    figure = Figure(figsize=(7.5, 0.5 + 1.5 * rows), layout="constrained")
    figure.suptitle(grid.title, x=0.01, ha="left", color=INK, fontsize=11, fontweight="bold")
    for place, image in enumerate(grid.images, start=1):
        axes = figure.add_subplot(rows, _COLUMNS, place)
        values = np.frombuffer(b64decode(image.pixels), np.uint8)
        shape = (image.height, image.width, image.channels)
        axes.imshow(values.reshape(shape).squeeze(), cmap="gray", vmin=0, vmax=255)
        axes.set_title(image.caption, color=INK, fontsize=8)
        axes.set_axis_off()
    return figure


_LISTED = 6  # the slowest layers
_NARROW = 300  # an axis with a smaller ratio of its ends has several labels per decade


def _roof(roof: Roof) -> Figure:
    """Log–log: FLOP/s over FLOP/byte; a dot's area shows the layer's share of the time."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    figure = Figure(figsize=(7.5, 4.8))
    axes = figure.add_subplot()
    ridge = roof.peak_flops / roof.bandwidth
    intensities = [ridge, *(dot.intensity for dot in roof.dots)]
    low, high = min(intensities) / 4, max(intensities) * 6
    middle = (low * ridge) ** 0.5
    # the roof rises with the bandwidth up to the ridge point, then is the peak throughput
    axes.plot([low, ridge, high], [low * roof.bandwidth, roof.peak_flops, roof.peak_flops],
              color=INK, linewidth=1.4)  # fmt: skip
    axes.axvline(ridge, color=INK, linewidth=0.6, linestyle=":")
    _dots(axes, roof.dots)
    notes: list[tuple[str, tuple[float, float], tuple[int, int], str]] = [
        (format_rate(roof.peak_flops, "FLOP"), (high, roof.peak_flops), (-4, 5), "right"),
        (format_rate(roof.bandwidth, "B"), (middle, middle * roof.bandwidth), (-6, 5), "right"),
        (f"{ridge:.3g} FLOP/byte", (ridge, low * roof.bandwidth), (-4, -4), "right"),
    ]
    for text, place, offset, side in notes:
        axes.annotate(text, place, offset, textcoords="offset points", ha=side, fontsize=8.5,
                      color=INK)  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=(low, high), xlabel="FLOP per byte")
    axes.set_ylim(low * roof.bandwidth / 2, roof.peak_flops * 4)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}" if x >= 1 else f"{x:g}")
    axes.yaxis.set_major_formatter(lambda y, _: format_rate(y, "FLOP"))
    for axis, (least, most) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        narrow = most < _NARROW * least
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,)))
        axis.set_minor_formatter(lambda *_: "")
    axes.tick_params(which="both", color=INK, labelcolor=INK)
    axes.set_xlabel(f"FLOP per byte\n{roof.caption}", color=INK)
    _frame(axes)
    _set_title(axes, roof.title)
    figure.tight_layout()
    return figure


def _dots(axes: Any, dots: tuple[Dot, ...]) -> None:
    """The layers, coloured by role; the slowest are numbered and listed."""
    groups = list(dict.fromkeys(dot.group for dot in dots))
    drawn = []
    for place, group in enumerate(groups):
        members = [dot for dot in dots if dot.group == group]
        drawn.append(axes.scatter(
            [dot.intensity for dot in members], [dot.rate for dot in members],
            [24 + min(900 * dot.share, 250) for dot in members], COLOURS[place % len(COLOURS)],
            marker=_MARKERS[place % len(_MARKERS)], alpha=0.7, linewidths=0,
        ))  # fmt: skip
    if drawn:
        axes.legend(drawn, groups, frameon=False, labelcolor=INK, loc="upper left")
    listed = sorted(dots, key=lambda dot: dot.share, reverse=True)[:_LISTED]
    together: dict[tuple[float, float], list[int]] = {}  # dots at almost one point share a label
    for number, dot in enumerate(listed, start=1):
        together.setdefault((round(log10(dot.intensity), 1), round(log10(dot.rate), 1)), []).append(
            number
        )
    for numbers in together.values():
        dot = listed[numbers[0] - 1]
        axes.annotate(", ".join(map(str, numbers)), (dot.intensity, dot.rate), (6, -14),
                      textcoords="offset points", fontsize=8.5, color=INK)  # fmt: skip
    lines = [f"{n}  {dot.name}  {format_share(dot.share)}" for n, dot in enumerate(listed, 1)]
    axes.text(0.98, 0.04, "\n".join(lines), transform=axes.transAxes, ha="right", fontsize=8.5,
              color=INK, linespacing=1.4)  # fmt: skip
