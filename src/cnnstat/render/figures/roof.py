"""Layers under the roof of a device."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING, Any

from ...units import format_rate, format_share
from ..pictures import Dot, Roof
from .ink import COLOURS, INK, entitle, frame

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_LISTED = 6  # layers that take the longest
_NARROW = 300  # times; an axis that is not longer has more labels than one for each decade


def draw_roof(roof: Roof) -> Figure:
    """Log–log: FLOP/s over FLOP/byte; the area of a dot tells the layer's share of the time."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    figure = Figure(figsize=(7.5, 4.8))
    axes = figure.add_subplot()
    ridge = roof.peak_flops / roof.bandwidth
    intensities = [ridge, *(dot.intensity for dot in roof.dots)]
    low, high = min(intensities) / 4, max(intensities) * 6
    middle = (low * ridge) ** 0.5
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
    frame(axes)
    entitle(axes, roof.title)
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
        axes.legend(drawn, groups, frameon=False, labelcolor=INK, loc="upper left")
    listed = sorted(dots, key=lambda dot: dot.share, reverse=True)[:_LISTED]
    together: dict[tuple[float, float], list[int]] = {}  # dots in one place share a label
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
