"""The data table of a result, for CSV and data frames: raw values under stable names.

A kind of result designates it by a function `data` next to its `view`; without one it is the first
table of the report. Names are snake_case and have the unit
(`param_bytes`, `seconds`); they do not depend on what the result contains.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any, TypeVar

from ..escaping import is_visible, visible
from .blocks import Facts, Report, Row, Table
from .options import Options

if TYPE_CHECKING:
    from ..results import Result

Value = int | float | str | bool | None
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Data:
    """Columns by name and rows of their values. The values of a column have one type, or are None.

    Shapes are texts, `1x3x224x224`.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]

    def by_column(self) -> dict[str, list[Value]]:
        """The values of each column, as data frames take them."""
        return {name: [row[i] for row in self.rows] for i, name in enumerate(self.columns)}


def data_of(result: Result, options: Options | None = None) -> Data:
    """The data table of any result; without a `depth` in the options with all levels of a tree.

    Raises:
        UsageError: the options name an unknown column.
    """
    from ..results import data_function_of, view_of

    designated, view = data_function_of(result.kind), view_of(result.kind)
    options = options or Options()
    return designated(result, options) if designated else data_of_report(view(result, options))


def data_table(columns: Mapping[str, Callable[[_R], Any]], rows: Iterable[_R]) -> Data:
    """A row of each record; the functions compute the value of each column from it."""
    names = tuple(columns)
    raw = [[_value(value_of(row)) for value_of in columns.values()] for row in rows]
    by_column = [_of_one_type([row[i] for row in raw]) for i in range(len(names))]
    return Data(names, tuple(zip(*by_column, strict=True)))


def size_text(sizes: Sequence[Any]) -> str:
    """(1, 3, 224, 224) → `1x3x224x224`; a formula among them is in parentheses."""
    parts = [str(size) if re.fullmatch(r"[\w.]+", str(size)) else f"({size})" for size in sizes]
    return "x".join(parts) or "scalar"


def _value(value: Any) -> Value:
    """None for an empty text too: in CSV they are the same."""
    if value is None or value == "":
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, tuple | list):
        return size_text(value)
    text = str(value)
    return text if is_visible(text) else visible(text)


def _of_one_type(values: list[Value]) -> list[Value]:
    types = {type(value) for value in values if value is not None}
    if len(types) < 2:
        return values
    if types <= {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else str(value) for value in values]


# ---------------------------------------------------------------- tables of reports


def data_of_report(report: Report) -> Data:
    """The first table of a report, or the figures of one without tables."""
    for block in report.blocks:
        if isinstance(block, Table):
            names = [column.key.replace("-", "_") for column in block.columns]
            return data_table(
                {name: _item(i) for i, name in enumerate(names)},
                [_raw_row(*pair) for pair in zip(block.rows, paths_of(block), strict=True)],
            )
    facts = (item for block in report.blocks if isinstance(block, Facts) for item in block.items)
    return data_table(
        {"figure": _item(0), "value": _item(1)}, [[name, cell.raw] for name, cell in facts]
    )


def _item(index: int) -> Callable[[Sequence[Any]], Any]:
    return lambda row: row[index]


def _raw_row(row: Row, path: str) -> list[Any]:
    return [path, *(cell.value if cell.kind in _SHAPES else cell.raw for cell in row.cells[1:])]


_SHAPES = ("shape", "sizes")


def paths_of(table: Table) -> list[str]:
    """The first cells; in a tree, each after the names of the rows above it."""
    if not table.tree:
        return [row.cells[0].text for row in table.rows]
    above: list[str] = []
    names = []
    for row in table.rows:
        above[row.depth :] = [row.cells[0].text]
        names.append(".".join(above))
    return names


# ---------------------------------------------------------------- CSV


def comma_separated(data: Data) -> str:
    """CSV with a header; no cell is one that a spreadsheet would run as a formula."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(data.columns)
    writer.writerows([_not_a_formula(value) for value in row] for row in data.rows)
    return out.getvalue()


def _not_a_formula(value: Value) -> Value:
    """A text that begins a formula gets an apostrophe; numbers stay, negative ones too."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value if _NUMBER.fullmatch(value) else f"'{value}"
    return value


_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
