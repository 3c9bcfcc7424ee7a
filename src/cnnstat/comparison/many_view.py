"""The view of a comparison of many models: a row for each."""

from __future__ import annotations

from ..analysis.totals import bounds, footing
from ..render.blocks import Bars, Block, Cell, Column, Kind, Table, Text, table
from .results import Comparison, Unit

KINDS: dict[Unit, Kind] = {
    "count": "figure", "bytes": "bytes", "pixels": "number", "layers": "number"
}  # fmt: skip

FROM = 4
"""The number of models from which on each has a row."""

_COLUMNS: dict[str, tuple[str, str, int]] = {
    "Parameters": ("params", "Params", 0),
    "MACs": ("macs", "MACs", 1),
    "Training MACs": ("training-macs", "Training MACs", 4),
    "Parameter memory": ("param-bytes", "Param memory", 8),
    "Peak memory": ("peak-bytes", "Peak memory", 2),
    "Depth, in layers": ("depth", "Depth", 9),
}
"""By the name of a figure: key and title of its column, and `drop`; its ratio goes before it."""


def row_blocks(comparison: Comparison) -> list[Block]:
    """The table of all models, bars of their MACs, and how they were counted."""
    return [_totals(comparison), _bars(comparison), Text(_footings(comparison), "note")]


def _totals(comparison: Comparison) -> Table:
    figures = [figure for figure in comparison.totals if figure.name in _COLUMNS]
    columns = [Column("model", "Model", False, shrinks=True)]
    rows = [[Cell(name)] for name in comparison.names]
    for figure in figures:
        key, title, drop = _COLUMNS[figure.name]
        columns.append(Column(key, title, True, drop))
        _add(rows, [Cell(value, KINDS[figure.unit]) for value in figure.values])
        if drop <= 2:  # the others are there to be read, the first ones to be compared
            columns.append(Column(f"{key}-ratio", "×", True, drop + 5))
            _add(rows, [Cell(ratio, "ratio") for ratio in figure.ratios])
    return table(columns, rows, f"Totals (× is relative to {comparison.names[0]})")


def _add(rows: list[list[Cell]], cells: list[Cell]) -> None:
    for row, cell in zip(rows, cells, strict=True):
        row.append(cell)


def _bars(comparison: Comparison) -> Bars:
    macs = next(figure.values for figure in comparison.totals if figure.name == "MACs")
    groups = tuple(
        (name, (int(value) if value is not None else None,))
        for name, value in zip(comparison.names, macs, strict=True)
    )
    return Bars("macs-by-model", "MACs", ("",), groups)


def _footings(comparison: Comparison) -> tuple[str, ...]:
    """How each model was counted and what is noted of it; what is true of all of them once."""
    names_by_line: dict[str, list[str]] = {}
    for name, analysis in zip(comparison.names, comparison.analyses, strict=True):
        for line in (footing(analysis), *bounds(analysis), *analysis.notes):
            names_by_line.setdefault(line, []).append(name)
    everybody = len(comparison.names)
    return tuple(
        f"{'all' if len(names) == everybody else ', '.join(names)}: {line}"
        for line, names in names_by_line.items()
    )
