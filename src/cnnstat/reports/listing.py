"""The view of the models that can be named."""

from __future__ import annotations

from ..analysis.records import Listing
from .view import Cell, Column, Report, table

_COLUMNS = (
    Column("name", "Name", False),
    Column("source", "Source", False, 2),
    Column("input", "Input", False, 1),
    Column("params", "Params"),
    Column("summary", "", False, 3),
)


def view(listing: Listing) -> Report:
    rows = [
        [
            Cell(model.name),
            Cell(model.source),
            Cell(model.input, "shape"),
            Cell(model.params, "count"),
            Cell(model.summary),
        ]
        for model in listing.models
    ]
    return Report("built-in networks", (table(_COLUMNS, rows),))
