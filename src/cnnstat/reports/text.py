"""The terminal, and what is piped out of it: the same text without colour and box art."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich.console import Console
from rich.text import Text as RichText

from .view import Bars, Block, Column, Facts, Report, Row, Table

_GAP = 2
_NARROWEST_NAME = 8


def render(report: Report, width: int | None = None, decorated: bool = False) -> str:
    """Lay the report out as text.

    `width` is the terminal's in characters, None for no limit. `decorated` allows colour and
    lines; rich leaves the colour out where NO_COLOR is set.
    """
    console = Console(
        file=StringIO(), width=width or 10_000, force_terminal=decorated, highlight=False,
        no_color=None if decorated else True, legacy_windows=False, emoji=False, markup=False,
        color_system="auto" if decorated else None,
    )  # fmt: skip
    console.print(RichText(report.title, "bold"), soft_wrap=True)
    for block in report.blocks:
        console.print()
        _block(console, block, width, decorated)
    assert isinstance(console.file, StringIO)
    lines = (line.rstrip() for line in console.file.getvalue().split("\n"))
    return "\n".join(lines).rstrip() + "\n"


def _block(console: Console, block: Block, width: int | None, decorated: bool) -> None:
    if isinstance(block, Table):
        _table(console, block, width, decorated)
    elif isinstance(block, Facts):
        _facts(console, block)
    elif isinstance(block, Bars):
        _bars(console, block, width, decorated)
    else:
        style = {"plain": "", "lead": "bold", "note": "dim"}[block.style]
        for line in block.lines:
            console.print(RichText(line, style), soft_wrap=width is None)


def _table(console: Console, table: Table, width: int | None, decorated: bool) -> None:
    if table.title:
        _heading(console, table.title, decorated)
    texts = [[cell.text for cell in row.cells] for row in table.rows]
    if table.tree:
        for cells, name in zip(texts, _tree(table.rows, decorated), strict=True):
            cells[0] = name
    elif table.columns[0].merged:
        for cells, above in zip(texts[:0:-1], texts[-2::-1], strict=True):
            cells[0] = "" if cells[0] == above[0] else cells[0]
    widths = _widths(table.columns, texts)
    kept = _fitting(table.columns, widths, width)
    if width is not None:  # what is left too wide even so is the name: shorten it, no number
        widths[0] = min(widths[0], max(_NARROWEST_NAME, width - _total(kept[1:], widths) - _GAP))

    def line(cells: Sequence[str]) -> str:
        return (" " * _GAP).join(_pad(cells[i], widths[i], table.columns[i]) for i in kept)

    console.print(RichText(line([c.title for c in table.columns]), "bold"), soft_wrap=True)
    if decorated:
        console.print(RichText("─" * _total(kept, widths), "dim"), soft_wrap=True)
    for row, cells in zip(table.rows, texts, strict=True):
        console.print(RichText(line(cells), "bold" if row.group else ""), soft_wrap=True)
    dropped = [_full_title(table.columns, i) for i in range(len(widths)) if i not in kept]
    if dropped:
        note = f"not shown at {width} characters: {', '.join(dropped)}"
        console.print(RichText(note, "dim"), soft_wrap=width is None)


def _heading(console: Console, title: str, decorated: bool) -> None:
    console.print(RichText(title, "bold underline" if decorated else ""), soft_wrap=True)


def _pad(text: str, width: int, column: Column) -> str:
    if len(text) > width:
        text = text[: width - 1] + "…"
    return text.rjust(width) if column.numeric else text.ljust(width)


def _full_title(columns: Sequence[Column], place: int) -> str:
    """A bare % or × belongs to the figure before it; away from it, it needs that name."""
    title = columns[place].title
    return f"{columns[place - 1].title} {title}" if title in ("%", "×") else title


def _widths(columns: Sequence[Column], texts: list[list[str]]) -> list[int]:
    return [max([len(c.title), *(len(row[i]) for row in texts)]) for i, c in enumerate(columns)]


def _total(kept: Sequence[int], widths: Sequence[int]) -> int:
    return sum(widths[i] for i in kept) + _GAP * max(0, len(kept) - 1)


def _fitting(columns: Sequence[Column], widths: Sequence[int], width: int | None) -> list[int]:
    """The columns that fit, by index: those with the highest `drop` go first, those with 0 never.

    The first column may shrink to a third of the line before another one goes.
    """
    kept = list(range(len(columns)))
    if width is None:
        return kept
    first = min(widths[0], max(_NARROWEST_NAME, width // 3))
    while first + _GAP + _total(kept[1:], widths) > width:
        droppable = [i for i in kept if columns[i].drop]
        if not droppable:
            break
        kept.remove(max(droppable, key=lambda i: (columns[i].drop, i)))
    return kept


def _tree(rows: Sequence[Row], decorated: bool) -> list[str]:
    """The first cells, indented by depth; with branches drawn on a terminal."""
    if not decorated:
        return ["  " * row.depth + row.cells[0].text for row in rows]
    names = []
    for place, row in enumerate(rows):
        lines = "".join(
            "│  " if _continues(rows, place, depth) else "   " for depth in range(1, row.depth)
        )
        if row.depth:
            lines += "├─ " if _continues(rows, place, row.depth) else "└─ "
        names.append(lines + row.cells[0].text)
    return names


def _continues(rows: Sequence[Row], place: int, depth: int) -> bool:
    """Whether a sibling at `depth` follows below."""
    for row in rows[place + 1 :]:
        if row.depth <= depth:
            return row.depth == depth
    return False


def _facts(console: Console, facts: Facts) -> None:
    widest = max(len(name) for name, _ in facts.items)
    for name, cell in facts.items:
        console.print(RichText.assemble((f"{name:<{widest}}  ", "dim"), cell.text), soft_wrap=True)


def _bars(console: Console, bars: Bars, width: int | None, decorated: bool) -> None:
    _heading(console, bars.title, decorated)
    values = [value for _, group in bars.groups for value in group if value]
    labels = [max(len(label) for label, _ in bars.groups), max(map(len, bars.series))]
    figures = max((len(f"{value:,}") for value in values), default=1)
    room = max(10, (width or 80) - sum(labels) - figures - 3 * _GAP)
    for label, group in bars.groups:
        for place, (series, value) in enumerate(zip(bars.series, group, strict=True)):
            if value is None:
                continue
            length = value / max(values, default=1) * room
            console.print(
                RichText.assemble(
                    f"{label if place == 0 else '':<{labels[0]}}  {series:<{labels[1]}}  ",
                    (_bar(length, decorated), _COLOURS[place % len(_COLOURS)]),
                    f"{' ' * _GAP if value else ''}{value:,}",
                ),
                soft_wrap=True,
            )


_PARTS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")


def _bar(length: float, decorated: bool) -> str:
    if not decorated:
        return "#" * max(round(length), int(length > 0))
    eighths: int = max(round(8 * length), int(length > 0))
    return "█" * (eighths // 8) + _PARTS[eighths % 8]
