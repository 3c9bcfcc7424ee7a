"""The choices about a report. The command line imports this at its start: nothing heavy here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["table", "markdown", "csv", "json", "latex", "html", "github"]
"""`github`: the problems of a model as annotations of a workflow; nothing where there are none."""
Picture = Literal["svg", "png", "pdf"]
PictureFormat = Literal[Format, Picture]
"""The formats of results that have a picture."""

EXTENSIONS: dict[str, PictureFormat] = {
    ".txt": "table", ".md": "markdown", ".csv": "csv", ".json": "json", ".tex": "latex",
    ".html": "html", ".htm": "html", ".svg": "svg", ".png": "png", ".pdf": "pdf",
}  # fmt: skip

Ops = Literal["auto", "all", "none"]
Units = Literal["auto", "M", "G", "raw"]


@dataclass(frozen=True, slots=True)
class Options:
    """The parts of a result that its report shows.

    `depth`: levels of the tree; None is the default of the kind, and all levels in a data table.
    `columns`: keys of `COLUMNS`; the layer is always shown. `sort`: a key of `COLUMNS`; the rows
    are then a flat list, largest first, as they are with `top`, which limits their number. `ops`:
    rows of functions: all, none, or all but pure layout. `totals`: the totals alone. `units`: those
    of counts; CSV and JSON have exact numbers anyhow. `caption` and `label`: of the first table in
    LaTeX.
    """

    depth: int | None = None
    columns: tuple[str, ...] = ()
    sort: str | None = None
    top: int | None = None
    ops: Ops = "auto"
    totals: bool = False
    units: Units = "auto"
    caption: str | None = None
    label: str | None = None

    @property
    def flat(self) -> bool:
        """Whether the rows are a flat list, no tree."""
        return self.sort is not None or self.top is not None


KIND_OPTIONS = ("depth", "columns", "sort", "top", "ops", "totals", "units")
"""The options that only some kinds of results have."""
