"""Pictures as SVG. The only file that imports matplotlib, and only when a picture is drawn."""

from __future__ import annotations

import re
from io import StringIO

from ..units import format_count
from .view import Bars

COLOURS = ("#0e7490", "#c026d3", "#ca8a04", "#16a34a", "#2563eb", "#dc2626")
_INK = "#010203"  # replaced by the colour of the text around the picture


def svg(bars: Bars, standalone: bool = True) -> str:
    """Draw grouped horizontal bars.

    `standalone` makes a file of its own on a white ground; else a fragment for HTML that takes
    the page's text colour.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    height = 0.8 / max(1, len(bars.series))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "cnnstat", "font.size": 10,
                         "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"],
                         "text.parse_math": False}):  # fmt: skip
        rows = len(bars.groups) * max(1, len(bars.series))
        figure = Figure(figsize=(7.5, 1.1 + 0.27 * rows + 0.12 * len(bars.groups)))
        axes = figure.add_subplot()
        largest = max((v for _, group in bars.groups for v in group if v), default=1)
        for place, series in enumerate(bars.series):
            offsets = [i + (place - (len(bars.series) - 1) / 2) * height
                       for i in range(len(bars.groups))]  # fmt: skip
            values = [group[place] or 0 for _, group in bars.groups]
            axes.barh(offsets, values, height * 0.9, label=series,
                      color=COLOURS[place % len(COLOURS)])  # fmt: skip
            for offset, (_, group) in zip(offsets, bars.groups, strict=True):
                if (value := group[place]) is not None:
                    axes.text(value + largest * 0.01, offset, format_count(value), va="center",
                              fontsize=8.5, color=_INK)  # fmt: skip
        axes.set_yticks(range(len(bars.groups)), [label for label, _ in bars.groups], color=_INK)
        axes.invert_yaxis()
        axes.set_xlim(0, largest * 1.14)
        axes.set_xticks([])
        axes.tick_params(color=_INK, length=0)
        for side in ("top", "right", "bottom"):
            axes.spines[side].set_visible(False)
        axes.spines["left"].set_color(_INK)
        axes.set_title(bars.title, loc="left", color=_INK, fontsize=11, fontweight="bold")
        axes.legend(frameon=False, labelcolor=_INK, loc="lower right")
        figure.tight_layout()
        out = StringIO()
        figure.savefig(out, format="svg", transparent=not standalone, metadata={"Date": None})
    text = out.getvalue()
    # What stands in front of <svg> names matplotlib's DTD by an address; nothing needs it.
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    return text.replace(_INK, "#1f2937" if standalone else "currentColor")
