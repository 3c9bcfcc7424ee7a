"""Loss and accuracy while a model trains in a notebook: a picture that each epoch redraws."""

from __future__ import annotations

import sys
from typing import Any
from zlib import crc32

from ..render.figures import svg
from .results import Epoch
from .runner import Started
from .view import curves_of


class LivePlot:
    """Draws the curves of all models; `watch` is called with the events of a training.

    `display` is IPython's: it shows an object and returns a handle with `update`.
    """

    def __init__(self, display: Any, as_html: Any) -> None:
        self.display, self.as_html = display, as_html
        self._handle: Any = None
        self._epochs: dict[str, list[Epoch]] = {}

    def watch(self, event: Any) -> None:
        if isinstance(event, Started):
            self._epochs[event.model] = []
        elif isinstance(event, Epoch):
            self._epochs[next(reversed(self._epochs))].append(event)
            self._draw()

    def _draw(self) -> None:
        picture = curves_of({name: tuple(found) for name, found in self._epochs.items()})
        drawn = svg(picture, standalone=False)
        # ids are unique in a page, in which several pictures have the same
        unique = f"curves-{crc32(drawn.encode()):x}-"
        shown = self.as_html(drawn.replace("curves-", unique))
        if self._handle is None:
            self._handle = self.display(shown, display_id=True)
        else:
            self._handle.update(shown)


def live_plot() -> LivePlot | None:
    """The plot for the notebook that this code runs in; None outside a notebook."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython
    from IPython.display import HTML, display

    shell: Any = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):  # a terminal shows no pictures
        return None
    return LivePlot(display, HTML)
