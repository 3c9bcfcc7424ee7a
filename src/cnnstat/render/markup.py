"""Markdown and CSV, and the grid of texts that Markdown and LaTeX lay out."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from io import StringIO
from typing import Any
from urllib.parse import quote

from tabulate import tabulate

from .blocks import Block, Curves, Derivation, Facts, Picture, Problem, Report, Roof, Table, Text
from .text import render as render_text
from .text import render_blocks


def markdown(report: Report, pictures: Mapping[str, str] | None = None) -> str:
    """GitHub's Markdown. `pictures` maps keys of pictures to the addresses of their files.

    A picture without a file is drawn as text.
    """
    parts = [f"# {_markdown_text(report.title)}"] if report.title else []
    for block in report.blocks:
        parts += _markdown_block(block, pictures or {})
    return "\n\n".join(parts) + "\n"


def _markdown_block(block: Block, pictures: Mapping[str, str]) -> list[str]:
    if isinstance(block, Text):
        text = "  \n".join(_markdown_text(line) for line in block.lines)
        return [f"**{text}**" if block.style == "lead" and len(block.lines) == 1 else text]
    if isinstance(block, Picture):
        title = _markdown_text(block.title)
        if block.key in pictures:
            return [f"![{title}]({quote(pictures[block.key])})"]
        if isinstance(block, Roof | Curves):  # a table has the values
            return []
        return [_fenced(render_text(Report(block.title, (block,)), 80).partition("\n\n")[2])]
    if isinstance(block, Problem):
        return [_fenced(render_blocks((block,), 100, False))]
    if isinstance(block, Derivation):
        block = block.as_table
    grid = grid_of(block, _markdown_text)
    # tabulate must not read "1,992,166" as a number and align or round it
    in_columns = tabulate(
        grid[1:], grid[0], tablefmt="pipe", disable_numparse=True, colalign=alignment(block)
    )
    return [f"## {_markdown_text(block.title)}", in_columns] if block.title else [in_columns]


def _fenced(text: str) -> str:
    fence = "`" * max([3, *(len(ticks) + 1 for ticks in re.findall("`+", text))])
    return f"{fence}text\n{text}{fence}"


def comma_separated(report: Report) -> str:
    """One table: its rows, an empty line, and `figure,value` for the totals.

    Several tables: a line per cell, `table,row,column,value`.
    """
    out = StringIO()
    writer = _Rows(out)
    tables = [table for block in report.blocks for table in _tables(block)]
    if len(tables) > 1:
        writer.writerow(["table", "row", "column", "value"])
        for table in tables:
            for number, cells in enumerate(_raw_rows(table), start=1):
                for column, value in zip(table.columns, cells, strict=True):
                    writer.writerow([table.title, number, column.key, value])
        return out.getvalue()
    for table in tables:
        writer.writerow([column.key for column in table.columns])
        writer.writerows(_raw_rows(table))
    for facts in (block for block in report.blocks if isinstance(block, Facts)):
        writer.writerow([])
        writer.writerow(["figure", "value"])
        writer.writerows([name, cell.raw] for name, cell in facts.items)
    return out.getvalue()


class _Rows:
    """CSV without cells that a spreadsheet would run as formulas: they get an apostrophe."""

    def __init__(self, out: StringIO) -> None:
        self._writer = csv.writer(out, lineterminator="\n")

    def writerow(self, cells: Iterable[Any]) -> None:
        self._writer.writerow([_not_a_formula(cell) for cell in cells])

    def writerows(self, rows: Iterable[Iterable[Any]]) -> None:
        for cells in rows:
            self.writerow(cells)


def _not_a_formula(cell: Any) -> Any:
    """Numbers stay as they are; texts have been made visible, so none begins with a tab."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@")) else cell


def _tables(block: Block) -> list[Table]:
    if isinstance(block, Derivation):
        return [replace(block.as_table, title=block.title)]
    return [block] if isinstance(block, Table) else []


def _raw_rows(table: Table) -> list[list[Any]]:
    return [
        [name if table.tree else row.cells[0].raw, *(cell.raw for cell in row.cells[1:])]
        for name, row in zip(paths_of(table), table.rows, strict=True)
    ]


def grid_of(block: Table | Facts, escape: Callable[[str], str]) -> list[list[str]]:
    """The texts of a block, row by row; the first row has the titles."""
    if isinstance(block, Facts):
        rows = [["", ""], *([name, cell.text] for name, cell in block.items)]
    else:
        rows = [[column.title for column in block.columns]]
        for row, name in zip(block.rows, paths_of(block), strict=True):
            rows.append([name, *(cell.text for cell in row.cells[1:])])
    return [[escape(text) for text in row] for row in rows]


def paths_of(table: Table) -> list[str]:
    """The first cells; in a tree, each after the names of the rows above it."""
    if not table.tree:
        return [row.cells[0].text for row in table.rows]
    above: list[str] = []
    paths = []
    for row in table.rows:
        above[row.depth :] = [row.cells[0].text]
        paths.append(".".join(above))
    return paths


def alignment(block: Table | Facts) -> tuple[str, ...]:
    """`left` or `right` for each column, as tabulate takes it."""
    if isinstance(block, Facts):
        return ("left", "left")
    return tuple("right" if column.numeric else "left" for column in block.columns)


def _markdown_text(text: str) -> str:
    for character in ("\\", "|", "*", "_", "<", "`", "[", "&", "$", "~"):
        text = text.replace(character, f"\\{character}")
    return text
