"""Pictures as SVG. Only the files here import matplotlib, and only when a picture is drawn."""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING, Any

from ..pictures import Areas, Bars, Curves, Picture, Roof
from .areas import draw_areas
from .bars import draw_bars
from .curves import draw_curves
from .ink import INK
from .roof import draw_roof

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def svg(picture: Picture, standalone: bool = True) -> str:
    """Draw a picture.

    `standalone` makes a file of its own on a white ground; else a fragment for HTML that takes
    the page's text colour.
    """
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        out = StringIO()
        _drawn(picture).savefig(
            out, format="svg", transparent=not standalone, metadata={"Date": None}
        )
    text = out.getvalue()
    # What stands in front of <svg> names matplotlib's DTD by an address; nothing needs it.
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Several pictures on one page must not share the names of their parts.
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{picture.key}-", text)
    return text.replace(INK, "#1f2937" if standalone else "currentColor")


_STYLE: Any = {  # matplotlib declares the keys one by one
    "svg.fonttype": "none",
    "svg.hashsalt": "cnnstat",
    "font.size": 10,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "text.parse_math": False,
}


def _drawn(picture: Picture) -> Figure:
    match picture:
        case Bars():
            return draw_bars(picture)
        case Areas():
            return draw_areas(picture)
        case Roof():
            return draw_roof(picture)
        case Curves():
            return draw_curves(picture)
