"""The blocks of a report. They have raw values; renderers only lay them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, is_dataclass, replace
from typing import Any, Literal

from ..choices import Severity
from ..escaping import is_visible, visible
from ..inputs import format_shape
from ..units import (
    format_bytes,
    format_count,
    format_difference,
    format_exact,
    format_in,
    format_rate,
    format_ratio,
    format_seconds,
    format_share,
    format_total,
)

Kind = Literal[
    "text", "number", "count", "total", "figure", "millions", "billions", "difference", "bytes",
    "share", "ratio", "shape", "sizes", "formula",
    "seconds", "tera", "flop_rate", "byte_rate", "intensity", "loss", "rate",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """A value and its kind. `reason` is shown instead of a missing value, or of a count of 0.

    A "count" is shown exactly, a "total" exactly and rounded, a "figure" rounded.

    `bound` precedes a value that is only a bound: "at least ".
    """

    value: Any
    kind: Kind = "text"
    reason: str = "–"
    bound: str = ""

    @property
    def text(self) -> str:
        """For people: formatted, with units."""
        nothing = self.value == 0 and self.kind in _EMPTY_AT_0
        empty = self.value is None or nothing
        return self.bound + (self.reason if empty else _FORMATS[self.kind](self.value))

    @property
    def raw(self) -> Any:
        """For programs: unformatted, None without a value."""
        if self.kind == "shape" and self.value is not None:
            return format_shape(self.value)
        if self.kind == "formula" and self.value is not None:
            return self.value.plain
        if self.kind == "sizes" and self.value is not None:
            return "×".join(_number(size) for size in self.value)
        return self.value

    @property
    def sort_key(self) -> float | str:
        """The key that sorts a table: a number where the value has one."""
        if self.kind in ("shape", "sizes"):
            product = 1.0
            for size in self.value or (0,):
                product *= size
            return product
        return self.value if self.value is not None else ("" if self.kind == "text" else 0)


@dataclass(frozen=True, slots=True)
class Column:
    """`drop`: if the table is too wide, the column with the highest number is left out first; one
    with 0 never.

    `merged`: a first column that shows equal neighbours once. `shrinks`: a first column of names,
    which are cut with … if they are too long.
    """

    key: str
    title: str
    numeric: bool = True
    drop: int = 0
    merged: bool = False
    shrinks: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """`depth` indents the first cell; `group` marks a sum of the rows below."""

    cells: tuple[Cell, ...]
    depth: int = 0
    group: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""
    tree: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Named figures, one per line."""

    items: tuple[tuple[str, Cell], ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    lines: tuple[str, ...]
    style: Literal["plain", "lead", "note"] = "plain"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A line of source. `text` is without line end; the part from `first` to `end` is marked.

    `line` and `column` are those of the file, from 1; `further` is another place that matters.
    """

    file: str
    line: int
    column: int
    further: str
    text: str
    first: int
    end: int

    @property
    def place(self) -> str:
        """`my_model.py:14:9`, as editors read it."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class ChangedLine:
    """A line of a small diff; `line` is its number in the file before the change."""

    line: int
    sign: Literal["-", "+", " "]
    text: str


@dataclass(frozen=True, slots=True)
class Remedy:
    """What mends a problem, as `pieces` that start a new line each where one line is too short.

    `changes`: a diff below them, where the pieces alone do not show what changes.
    """

    label: str
    pieces: tuple[str, ...]
    changes: tuple[ChangedLine, ...]
    proof: str


@dataclass(frozen=True, slots=True)
class Problem:
    """An error: a headline, its place in the source, its reasons, and what mends it.

    `unplaced` is what is known of the place without an excerpt of the source, `rule` the code and
    name of the rule of `lint` that found it; `identity` stays the same when lines move.
    """

    headline: str
    excerpt: Excerpt | None
    unplaced: str
    notes: tuple[str, ...]
    remedies: tuple[Remedy, ...]
    level: Severity = "error"
    rule: tuple[str, str] | None = None
    identity: str = ""

    @property
    def label(self) -> str:
        """`error`, or `warning[CN105] unused-parameters`."""
        return self.level if self.rule is None else f"{self.level}[{self.rule[0]}] {self.rule[1]}"


@dataclass(frozen=True, slots=True)
class Line:
    """`formula` = `numbers` = `result`; the first two are None if nothing is calculated."""

    name: str
    formula: str | None
    numbers: str | None
    result: Cell
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class Derivation:
    """The derivation of one figure: its value, and below it the lines that lead to it."""

    title: str
    value: Cell
    lines: tuple[Line, ...]

    @property
    def as_table(self) -> Table:
        """For formats without formulas."""
        columns = (
            Column("part", "Part", False),
            Column("formula", "Formula", False),
            Column("numbers", "With the numbers", False),
            Column("result", "Result"),
            Column("remark", "Why", False),
        )
        rows = [
            [Cell(x.name or None), Cell(x.formula), Cell(x.numbers), x.result, Cell(x.remark)]
            for x in self.lines
        ]
        return table(columns, rows, f"{self.title}: {self.value.text}")


@dataclass(frozen=True, slots=True)
class Bars:
    """One bar per group and series. A table of the same report has the figures too."""

    key: str
    title: str
    series: tuple[str, ...]
    groups: tuple[tuple[str, tuple[int | None, ...]], ...]
    kind: Kind = "figure"


@dataclass(frozen=True, slots=True)
class Areas:
    """Bytes over time, one area per series, stacked.

    A point is a time and the value of each series. `marks` are names of periods and the time at
    which each begins.
    """

    key: str
    title: str
    series: tuple[str, ...]
    points: tuple[tuple[int, tuple[int, ...]], ...]
    marks: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """A layer: `rate` in FLOP/s, `intensity` in FLOP/byte, its `share` of the time."""

    name: str
    intensity: float
    rate: float
    share: float
    group: str


@dataclass(frozen=True, slots=True)
class Roof:
    """Layers under the roof of a device. A table of the same report has the figures too.

    `peak_flops` is in FLOP/s, `bandwidth` in bytes/s.
    """

    key: str
    title: str
    caption: str
    peak_flops: float
    bandwidth: float
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """`points` are pairs of x and y.

    Curves of one `series` have one colour and one marker; without it, each has its own line.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    series: int | None = None
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    x_title: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """Curves in panels. A table of the same report has the values too."""

    key: str
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Heatmap:
    """Counts in the cells of a square, a row and a column for each label."""

    key: str
    title: str
    labels: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]
    x_title: str
    y_title: str


@dataclass(frozen=True, slots=True)
class Image:
    """`pixels` are bytes in base64, row by row, with `channels` of them per pixel, 1 or 3."""

    caption: str
    height: int
    width: int
    channels: int
    pixels: str


@dataclass(frozen=True, slots=True)
class ImageGrid:
    """Images with captions."""

    key: str
    title: str
    images: tuple[Image, ...]


Picture = Bars | Areas | Roof | Curves | Heatmap | ImageGrid

Block = Table | Facts | Text | Picture | Derivation | Problem


@dataclass(frozen=True, slots=True)
class Report:
    title: str
    blocks: tuple[Block, ...]


def with_visible_texts(report: Report) -> Report:
    """The report with all texts made safe to print: they may be names from a file or a model."""
    # unchanged, a text is not copied
    return with_texts(report, lambda text: text if is_visible(text) else visible(text))


def with_texts(report: Report, change: Callable[[str], str]) -> Report:
    """The report with all texts changed by a function."""
    changed: Report = _with_texts(report, change)
    return changed


def _with_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, tuple | list):
        changed = [_with_texts(item, change) for item in value]
        same = all(a is b for a, b in zip(changed, value, strict=True))
        return value if same else type(value)(changed)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    old = {name: getattr(value, name) for name in value.__dataclass_fields__}
    new = {name: _with_texts(item, change) for name, item in old.items()}
    changes = {name: item for name, item in new.items() if item is not old[name]}
    return replace(value, **changes) if changes else value


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], title: str = "") -> Table:
    return Table(tuple(columns), tuple(Row(tuple(cells)) for cells in rows), title)


def _number(size: float) -> str:
    return f"{size:g}" if isinstance(size, float) else str(size)


def _sizes(sizes: Sequence[float]) -> str:
    """435 for 435×435: one number for a square."""
    return "×".join(_number(size) for size in (sizes[:1] if len(set(sizes)) == 1 else sizes))


def _exact_number(value: float) -> str:
    """A number that may be 0 or a fraction: 34,848, 0, 2.5."""
    return format_exact(value) if isinstance(value, int) else f"{value:g}"


_EMPTY_AT_0 = ("count", "total", "figure", "millions", "billions", "difference", "share")

_FORMATS: dict[str, Callable[[Any], str]] = {
    "text": lambda value: visible(str(value)),
    "number": _exact_number,
    "count": format_exact,
    "total": format_total,
    "figure": format_count,
    "millions": lambda value: format_in(value, "M"),
    "billions": lambda value: format_in(value, "G"),
    "difference": format_difference,
    "bytes": format_bytes,
    "share": format_share,
    "ratio": format_ratio,
    "shape": format_shape,
    "sizes": _sizes,
    "formula": str,
    "seconds": format_seconds,
    "tera": lambda rate: f"{rate / 1e12:g}",
    "flop_rate": lambda rate: format_rate(rate, "FLOP"),
    "byte_rate": lambda rate: format_rate(rate, "B"),
    "intensity": lambda intensity: f"{intensity:.3g}" if intensity < 999.5 else f"{intensity:,.0f}",
    "loss": lambda loss: f"{loss:.4f}",
    "rate": lambda rate: f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}",
}
