"""The view of the models that can be named."""

from __future__ import annotations

from ..analysis.records import Listing
from .view import Cell, Column, Report, table

_COLUMNS = (
    Column("name", "Name", False),
    Column("input", "Input", False, 1),
    Column("params", "Params"),
    Column("summary", "Summary", False, 2),
    Column("source", "Source", False, 3),
)


def view(listing: Listing) -> Report:
    rows = [
        [
            Cell(model.name),
            Cell(model.input, "shape"),
            Cell(model.params, "count"),
            Cell(model.summary),
            Cell(model.source),
        ]
        for model in listing.models
    ]
    return Report("built-in networks", (table(_COLUMNS, rows),))
