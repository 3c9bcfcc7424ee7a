"""What a report shows: blocks of raw values. Renderers only lay them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..inputs import format_shape
from ..units import (
    format_bytes,
    format_difference,
    format_exact,
    format_rate,
    format_ratio,
    format_seconds,
    format_share,
)
from .pictures import Picture

Kind = Literal[
    "text", "number", "count", "difference", "bytes", "share", "ratio", "shape", "sizes", "formula",
    "seconds", "tera", "flop_rate", "byte_rate", "intensity", "loss", "rate",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """A value and what it is; `reason` is shown where there is none, or nothing worth a 0.

    `bound` stands before a value that is only a bound: "at least ".
    """

    value: Any
    kind: Kind = "text"
    reason: str = "–"
    bound: str = ""

    @property
    def text(self) -> str:
        """As a person reads it."""
        nothing = self.value == 0 and self.kind in ("count", "difference", "share")
        empty = self.value is None or nothing
        return self.bound + (self.reason if empty else _FORMATS[self.kind](self.value))

    @property
    def raw(self) -> Any:
        """As a program reads it: unformatted, None where there is no value."""
        if self.kind == "shape" and self.value is not None:
            return format_shape(self.value)
        if self.kind == "formula" and self.value is not None:
            return self.value.plain
        if self.kind == "sizes" and self.value is not None:
            return "×".join(_number(size) for size in self.value)
        return self.value

    @property
    def sort_key(self) -> float | str:
        """What a table is sorted by: a number wherever there is one."""
        if self.kind in ("shape", "sizes"):
            product = 1.0
            for size in self.value or (0,):
                product *= size
            return product
        return self.value if self.value is not None else ("" if self.kind == "text" else 0)


@dataclass(frozen=True, slots=True)
class Column:
    """`drop`: where the table is too wide, the column with the highest number goes first.

    `merged`: a first column whose equal neighbours read as one. `shrinks`: a first column of
    names, which may end in … where they are too long.
    """

    key: str
    title: str
    numeric: bool = True
    drop: int = 0
    merged: bool = False
    shrinks: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """`depth` indents the first cell; `group` marks sums of the rows below."""

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
    """Named figures, one a line."""

    items: tuple[tuple[str, Cell], ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    lines: tuple[str, ...]
    style: Literal["plain", "lead", "note"] = "plain"


@dataclass(frozen=True, slots=True)
class Line:
    """`formula` = `numbers` = `result`; the first two are None where nothing is calculated."""

    name: str
    formula: str | None
    numbers: str | None
    result: Cell
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class Derivation:
    """How one figure comes about: its value, and below it the lines that lead to it."""

    title: str
    value: Cell
    lines: tuple[Line, ...]

    @property
    def as_table(self) -> Table:
        """For formats that have tables and nothing like this."""
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


Block = Table | Facts | Text | Picture | Derivation


@dataclass(frozen=True, slots=True)
class Report:
    title: str
    blocks: tuple[Block, ...]


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], title: str = "") -> Table:
    return Table(tuple(columns), tuple(Row(tuple(cells)) for cells in rows), title)


def _number(size: float) -> str:
    return f"{size:g}" if isinstance(size, float) else str(size)


def _sizes(sizes: Sequence[float]) -> str:
    """435 for 435×435: squares are said with one number."""
    return "×".join(_number(size) for size in (sizes[:1] if len(set(sizes)) == 1 else sizes))


def _exact_number(value: float) -> str:
    """A number that may be 0 or a fraction: 34,848, 0, 2.5."""
    return format_exact(value) if isinstance(value, int) else f"{value:g}"


_FORMATS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "number": _exact_number,
    "count": format_exact,
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
