"""The view of `scale`: a table over the values, growth per doubling, formulas and bar charts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import structs

from ..render.blocks import Bars, Block, Cell, Column, Facts, Report, Row, Table, Text
from ..render.data import Data, data_table
from ..render.options import Options
from .results import FIGURES, ScalePoint, Scaling, Series
from .view import formula_cell, limit_lines, range_text

_TITLES = {
    "params": ("Params", "Parameters"),
    "macs": ("MACs", "MACs"),
    "activation_bytes": ("Activation", "Activation memory, bytes"),
    "peak_bytes": ("Peak", "Peak memory, bytes"),
}
_DROPPED = {"activation_bytes": 2, "peak_bytes": 1}
_MOST_BARS = 24  # more are not readable


def view(scaling: Scaling, options: Options) -> Report:
    """The report of models over a size or an argument."""
    names = [series.name for series in scaling.series]
    over = ", ".join(scaling.over)
    blocks: list[Block] = [_points(scaling)]
    refused = [*dict.fromkeys(x for series in scaling.series for x in _refused(series, over))]
    if refused:
        blocks.append(Text(tuple(refused)))
    growth = _growth(scaling)
    if growth is not None:
        blocks.append(growth)
    for series in scaling.series:
        if series.formulas is not None:
            blocks.append(_formulas(series, len(names) > 1))
    blocks += _pictures(scaling, over)
    notes = [
        f"note: {series.name}, formulas: {series.formulas_reason}"
        if series.formulas else f"note: {series.name}: no formulas, {series.formulas_reason}"
        for series in scaling.series if series.formulas_reason
    ]  # fmt: skip
    if notes:
        blocks.append(Text(tuple(notes), "note"))
    return Report(f"{', '.join(names)} over {over}", tuple(blocks))


def _points(scaling: Scaling) -> Table:
    """One row per value and model, a value's models together."""
    several = len(scaling.series) > 1
    columns = [Column("value", ", ".join(scaling.over), False, merged=several)]
    columns += [Column("model", "Model", False)] if several else []
    columns += [Column(f, _TITLES[f][0], True, _DROPPED.get(f, 0)) for f in FIGURES]
    rows = []
    for value, points in _by_value(scaling):
        for name, point in points:
            cells = [Cell(_text(value)), *([Cell(name)] if several else [])]
            rows.append(Row((*cells, *_cells(point))))
    return Table(tuple(columns), tuple(rows))


def _by_value(scaling: Scaling) -> Iterator[tuple[object, list[tuple[str, ScalePoint]]]]:
    """The values of all models, in order: by default each model has its own."""
    values: list[object] = []
    for series in scaling.series:
        values += [point.value for point in series.points if point.value not in values]
    if all(isinstance(value, int) for value in values):
        values.sort(key=lambda value: value if isinstance(value, int) else 0)
    for value in values:
        pairs = [
            (series.name, point)
            for series in scaling.series for point in series.points if point.value == value
        ]  # fmt: skip
        yield value, pairs


def _cells(point: ScalePoint) -> list[Cell]:
    return [
        Cell(getattr(point, name), "bytes" if name.endswith("bytes") else "figure")
        for name in FIGURES
    ]


def _text(value: object) -> str:
    return str(value)


def _refused(series: Series, over: str) -> Iterator[str]:
    """The values at which the model does not run, or only with a change: a line for each."""
    reasons: dict[str, list[str]] = {}
    for point in series.points:
        if point.reason is not None:
            reasons.setdefault(point.reason, []).append(_text(point.value))
    fitted = [_text(point.value) for point in series.points if point.fitted]
    if fitted and series.fitting is not None:
        change = _CHANGED[series.fitting.what].format(series.fitting.name)
        yield f"{series.name} at {over} = {_listed(fitted)}: {change}"
    for reason, values in reasons.items():
        yield f"{series.name} does not run at {over} = {_listed(values)}: {reason}"
    if series.valid is not None:
        valid = structs.replace(series.valid, letter=over)
        yield f"{series.name} runs at {range_text(valid)}"
        yield from limit_lines(valid)
    if series.fitting is not None and not fitted:
        yield f"{_WOULD_FIT[series.fitting.what].format(series.fitting.name)}; {_BATCH}"
    elif series.valid is not None:
        yield _BATCH


_CHANGED = {
    "layer": "{} made as wide as that needs",
    "argument": "created with that as {}",
}
_WOULD_FIT = {
    "layer": "--fit makes {} as wide as each size needs",
    "argument": "--fit creates it with each size as {}",
}
_BATCH = "--over N varies the batch"


def _listed(values: list[str]) -> str:
    return ", ".join(values) if len(values) < 5 else f"{values[0]}, {values[1]} … {values[-1]}"


def _growth(scaling: Scaling) -> Table | None:
    rows = []
    for series in scaling.series:
        rate = series.growth
        if rate is not None:
            cells = [Cell(series.name), Cell(f"{rate.low}–{rate.high}")]
            cells += [_factor(getattr(rate, name)) for name in FIGURES]
            rows.append(Row(tuple(cells)))
    if not rows:
        return None
    columns = [Column("model", "Model", False), Column("range", ", ".join(scaling.over), False)]
    columns += [Column(name, _TITLES[name][0], True, _DROPPED.get(name, 0)) for name in FIGURES]
    return Table(tuple(columns), tuple(rows), "Growth per doubling")


def _factor(factor: float | None) -> Cell:
    return Cell(None if factor is None else f"×{factor:.2f}")


def _formulas(series: Series, several: bool) -> Facts:
    formulas = series.formulas
    assert formulas is not None
    items = [
        (_TITLES[name][1], formula_cell(getattr(formulas, name), {}))
        for name in FIGURES
    ]  # fmt: skip
    title = f"Formulas of {series.name}" if several else "Formulas"
    changed = {point.fitted: None for point in series.points if point.fitted}
    if changed:  # the formulas are those of the model itself
        title += f", {' and '.join(changed)} as it is"
    return Facts(tuple(items), title)


def _pictures(scaling: Scaling, over: str) -> Iterator[Bars]:
    """Bars of MACs and parameters, where they vary."""
    values = list(_by_value(scaling))
    names = tuple(series.name for series in scaling.series)
    if len(values) * len(names) > 4 * _MOST_BARS:
        return
    for figure in ("params", "macs"):
        points = {
            (series.name, str(p.value)): getattr(p, figure)
            for series in scaling.series for p in series.points
        }  # fmt: skip
        if any(len(_known(series, figure)) > 1 for series in scaling.series):
            groups = [
                (_text(value), tuple(points.get((name, str(value))) for name in names))
                for value, _ in values
            ]
            runs = tuple(group for group in groups if any(v is not None for v in group[1]))
            yield Bars(figure, f"{_TITLES[figure][0]} over {over}", names, runs)


def _known(series: Series, figure: str) -> set[int]:
    return {getattr(p, figure) for p in series.points} - {None}


def data(scaling: Scaling, options: Options) -> Data:
    """A row per model and value."""
    columns: dict[str, Callable[[tuple[str, ScalePoint]], Any]] = {
        "model": lambda row: row[0],
        "over": lambda row: ",".join(scaling.over),
        "value": lambda row: row[1].value,
        **{name: _from_point(name) for name in (*FIGURES, "fitted", "reason")},
    }
    rows = [pair for _, pairs in _by_value(scaling) for pair in pairs]
    return data_table(columns, rows)


def _from_point(name: str) -> Callable[[tuple[str, ScalePoint]], Any]:
    return lambda row: getattr(row[1], name)
