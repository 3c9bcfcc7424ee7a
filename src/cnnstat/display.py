"""How a result shows itself in a terminal and in a notebook.

Results live above the reports in the layout and must not import them; the public API fills these
two slots instead.
"""

from __future__ import annotations

from collections.abc import Callable


def _unfilled(result: object) -> str:
    return object.__repr__(result)


as_text: Callable[[object], str] = _unfilled
as_html: Callable[[object], str] = _unfilled


class Shown:
    """Mixin: `repr` is the table, a notebook shows HTML."""

    __slots__ = ()

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)
