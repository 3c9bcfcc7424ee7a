"""What all pictures share: colours, and how their axes look."""

from __future__ import annotations

from typing import Any

COLOURS = ("#0e7490", "#c026d3", "#ca8a04", "#16a34a", "#2563eb", "#dc2626", "#64748b", "#92400e",
           "#7dd3fc")  # fmt: skip
INK = "#010203"  # replaced by the colour of the text around the picture


def frame(axes: Any) -> None:
    """Lines at the left and at the bottom only."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(INK)


def entitle(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
