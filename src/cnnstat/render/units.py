"""`--units`: how the counts of a report are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from .blocks import Bars, Block, Cell, Facts, Kind, Report, Row, Table
from .options import Units

_KINDS: Mapping[Units, Mapping[Kind, Kind]] = {
    "auto": {},
    "raw": {"total": "count", "figure": "count"},
    "M": {"count": "millions", "total": "millions", "figure": "millions"},
    "G": {"count": "billions", "total": "billions", "figure": "billions"},
}
_WithKind = TypeVar("_WithKind", Cell, Bars)


def in_units(report: Report, units: Units) -> Report:
    """The report with counts in the given units.

    `auto` leaves what the view chose: exact rows of layers, which are checked and add up; totals
    exact and rounded; rounded figures where models are compared.
    """
    if units == "auto":
        return report
    return replace(report, blocks=tuple(_block(block, units) for block in report.blocks))


def _block(block: Block, units: Units) -> Block:
    if isinstance(block, Table):
        return replace(block, rows=tuple(_row(row, units) for row in block.rows))
    if isinstance(block, Facts):
        items = tuple((name, _changed(cell, units)) for name, cell in block.items)
        return replace(block, items=items)
    return _changed(block, units) if isinstance(block, Bars) else block


def _row(row: Row, units: Units) -> Row:
    return replace(row, cells=tuple(_changed(cell, units) for cell in row.cells))


def _changed(value: _WithKind, units: Units) -> _WithKind:
    kind = _KINDS[units].get(value.kind)
    return value if kind is None else replace(value, kind=kind)
