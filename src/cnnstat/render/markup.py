"""Markdown, and the grid of texts that Markdown and LaTeX lay out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

from tabulate import tabulate

from .blocks import (
    Block,
    Curves,
    Derivation,
    Facts,
    Heatmap,
    ImageGrid,
    Picture,
    Problem,
    Report,
    Roof,
    Table,
    Text,
)
from .data import paths_of
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
        if isinstance(block, Roof | Curves | Heatmap | ImageGrid):  # no text has them
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


def grid_of(block: Table | Facts, escape: Callable[[str], str]) -> list[list[str]]:
    """The texts of a block, row by row; the first row has the titles."""
    if isinstance(block, Facts):
        rows = [["", ""], *([name, cell.text] for name, cell in block.items)]
    else:
        rows = [[column.title for column in block.columns]]
        for row, name in zip(block.rows, paths_of(block), strict=True):
            rows.append([name, *(cell.text for cell in row.cells[1:])])
    return [[escape(text) for text in row] for row in rows]


def alignment(block: Table | Facts) -> tuple[str, ...]:
    """`left` or `right` for each column, as tabulate takes it."""
    if isinstance(block, Facts):
        return ("left", "left")
    return tuple("right" if column.numeric else "left" for column in block.columns)


def _markdown_text(text: str) -> str:
    for character in ("\\", "|", "*", "_", "<", "`", "[", "&", "$", "~"):
        text = text.replace(character, f"\\{character}")
    return text
