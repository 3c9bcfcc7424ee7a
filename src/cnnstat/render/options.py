"""What can be chosen about a report. Light: the command line reads it before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["table", "markdown", "csv", "json", "latex", "html", "svg"]
EXTENSIONS: dict[str, Format] = {
    ".txt": "table", ".md": "markdown", ".csv": "csv", ".json": "json", ".tex": "latex",
    ".html": "html", ".htm": "html", ".svg": "svg",
}  # fmt: skip

Ops = Literal["auto", "all", "none"]


@dataclass(frozen=True, slots=True)
class Options:
    """What of an analysis to show.

    `depth`: how deep the tree is drawn. `columns`: keys of `COLUMNS`; the layer is always there.
    `sort`: a key of `COLUMNS`; rows then stand flat, largest first, as do the `top` most.
    `ops`: rows of functions: all, none, or all but pure layout.
    """

    depth: int = 3
    columns: tuple[str, ...] = ()
    sort: str | None = None
    top: int | None = None
    ops: Ops = "auto"
