"""The report of `cnnstat list`."""

from __future__ import annotations

from operator import attrgetter

from ..render.blocks import Block, Cell, Column, Report, Text, table
from ..render.data import Data, data_table
from ..render.options import Options
from .results import Listed, Listing

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
            Cell(_summary(model)),
            Cell(model.source),
        ]
        for model in listing.models
    ]
    notes = tuple(f"note: {note}" for note in (*_to_install(listing), *listing.notes))
    blocks: list[Block] = [table(_COLUMNS, rows), *([Text(notes, "note")] if notes else [])]
    return Report(_title(listing), tuple(blocks))


def _summary(model: Listed) -> str | None:
    needs = f"needs {model.needs}" if model.needs else ""
    return "; ".join(filter(None, [model.summary, needs])) or None


def _to_install(listing: Listing) -> list[str]:
    extras = dict.fromkeys(model.needs for model in listing.models if model.needs)
    return [f"to use them: pip install {' '.join(map(repr, extras))}"] if extras else []


def _title(listing: Listing) -> str:
    origins = {model.origin for model in listing.models}
    titles = {"built-in": "built-in networks", "own": "your own models"}
    parts = [title for origin, title in titles.items() if origin in origins]
    if packages := sorted(origins - set(titles)):
        parts.append(f"models of {', '.join(packages)}")
    return " and ".join(parts)


def data(listing: Listing, options: Options) -> Data:
    """A row per model."""
    names = ("name", "input", "params", "summary", "source")
    return data_table({name: attrgetter(name) for name in names}, listing.models)
