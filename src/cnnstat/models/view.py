"""The report of `cnnstat list`."""

from __future__ import annotations

from operator import attrgetter

from ..render.blocks import Cell, Column, Report, table
from ..render.data import Data, data_table
from ..render.options import Options
from .results import Listing

_COLUMNS = (
    Column("name", "Name", False),
    Column("input", "Input", False, 1),
    Column("params", "Params"),
    Column("summary", "Summary", False, 2),
    Column("source", "Source", False, 3),
)


def view(listing: Listing, options: Options) -> Report:
    rows = [
        [
            Cell(model.name),
            Cell(model.input, "shape"),
            Cell(model.params, "count"),
            Cell(model.summary or None),
            Cell(model.source),
        ]
        for model in listing.models
    ]
    return Report(_title(listing), (table(_COLUMNS, rows),))


def _title(listing: Listing) -> str:
    origins = {model.origin for model in listing.models}
    if not origins & {"built-in", "own"}:
        return f"models of {', '.join(sorted(origins))}"
    titles = {"built-in": "built-in networks", "own": "your own models"}
    return " and ".join(title for origin, title in titles.items() if origin in origins)


def data(listing: Listing, options: Options) -> Data:
    """A row per model."""
    names = ("name", "input", "params", "summary", "source")
    return data_table({name: attrgetter(name) for name in names}, listing.models)
