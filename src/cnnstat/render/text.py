"""Text for the terminal; in a pipe the same without colour and lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from .blocks import (
    Areas,
    Bars,
    Block,
    Column,
    Curves,
    Derivation,
    Facts,
    Heatmap,
    ImageGrid,
    Line,
    Problem,
    Report,
    Roof,
    Row,
    Table,
    Text,
)
from .problems import problem_lines
from .styles import styled
from .text_pictures import StyledLine, draw_areas, draw_bars, draw_curves

_GAP = 2
_NARROWEST_NAME = 8


def render(report: Report, width: int | None = None, decorated: bool = False) -> str:
    """Lay the report out as text.

    `width` is the terminal's in characters, None for no limit. `decorated` allows colour and
    lines.
    """
    return _joined(styled_lines(report, width, decorated), decorated)


def styled_lines(report: Report, width: int | None, decorated: bool) -> list[StyledLine]:
    """The lines of the report; see `render`."""
    title = textwrap.wrap(report.title, width) if width is not None else [report.title]
    lines: list[StyledLine] = [((line, "bold"),) for line in title if line]
    for block in report.blocks:
        gap = _with_gap(_block(block, width, decorated))
        lines += gap if lines else gap[1:]
    return lines


def render_blocks(blocks: Sequence[Block], width: int | None, decorated: bool) -> str:
    """Lay blocks out without a title, an empty line between them; see `render`."""
    return _joined(styled_lines(Report("", tuple(blocks)), width, decorated), decorated)


def _joined(lines: Sequence[StyledLine], decorated: bool) -> str:
    text = "\n".join(_line(spans, decorated) for spans in lines)
    return text.rstrip() + "\n"


def _line(spans: StyledLine, decorated: bool) -> str:
    """The spans of a line, without spaces at its end."""
    shown = [text for text, _ in spans]
    while shown and not shown[-1].strip():
        shown.pop()
    if shown:
        shown[-1] = shown[-1].rstrip()
    if not decorated:
        return "".join(shown)
    return "".join(styled(text, style) for text, (_, style) in zip(shown, spans, strict=False))


def _with_gap(lines: Iterator[StyledLine]) -> list[StyledLine]:
    """The lines after an empty one; nothing if there are none."""
    some = list(lines)
    return [(), *some] if some else []


def _block(block: Block, width: int | None, decorated: bool) -> Iterator[StyledLine]:
    if isinstance(block, Table):
        yield from _table(block, width, decorated)
    elif isinstance(block, Facts):
        yield from _facts(block, width)
    elif isinstance(block, Derivation):
        yield from _derivation(block, width)
    elif isinstance(block, Bars):
        yield _heading(block.title, decorated)
        yield from draw_bars(block, width, decorated)
    elif isinstance(block, Areas):
        yield _heading(block.title, decorated)
        yield from ((("", ""), (line, "")) for line in draw_areas(block, width, decorated))
    elif isinstance(block, Curves):
        if decorated:  # elsewhere the table of the values is enough
            yield from draw_curves(block, width or 80)
    elif isinstance(block, Problem):
        yield from problem_lines(block, width)
    elif isinstance(block, Roof | Heatmap | ImageGrid):
        yield from ()  # a table has the values, or no text can
    else:
        yield from _text(block, width)


def _text(text: Text, width: int | None) -> Iterator[StyledLine]:
    style = {"plain": "", "lead": "bold", "note": "dim"}[text.style]
    for line in text.lines:
        for part in textwrap.wrap(line, width) if width is not None else [line]:
            yield ((part, style),)


def _table(table: Table, width: int | None, decorated: bool) -> Iterator[StyledLine]:
    if table.title:
        yield _heading(table.title, decorated)
    texts = [[cell.text for cell in row.cells] for row in table.rows]
    if table.tree:
        for cells, name in zip(texts, _tree(table.rows, decorated), strict=True):
            cells[0] = name
    elif table.columns[0].merged:
        for cells, above in zip(texts[:0:-1], texts[-2::-1], strict=True):
            cells[0] = "" if cells[0] == above[0] else cells[0]
    widths = _widths(table.columns, texts)
    shown = _fitting(table.columns, widths, width)
    if width is not None and table.columns[0].shrinks:
        widths[0] = min(widths[0], max(_NARROWEST_NAME, width - _total(shown[1:], widths) - _GAP))

    def line(cells: Sequence[str]) -> str:
        return (" " * _GAP).join(_pad(cells[i], widths[i], table.columns[i]) for i in shown)

    yield ((line([column.title for column in table.columns]), "bold"),)
    if decorated:
        yield (("─" * _total(shown, widths), "dim"),)
    for row, cells in zip(table.rows, texts, strict=True):
        yield ((line(cells), "bold" if row.group else ""),)
    dropped = [_full_title(table.columns, i) for i in range(len(widths)) if i not in shown]
    if dropped:
        yield from _text(
            Text((f"not shown at {width} characters: {', '.join(dropped)}",), "note"), width
        )


def _heading(title: str, decorated: bool) -> StyledLine:
    return ((title, "bold underline" if decorated else ""),)


def _pad(text: str, width: int, column: Column) -> str:
    if len(text) > width:
        text = text[: width - 1] + "…"
    return text.rjust(width) if column.numeric else text.ljust(width)


def _full_title(columns: Sequence[Column], place: int) -> str:
    """The title of a column by itself: a bare % or × needs that of the figure before it."""
    title = columns[place].title
    return f"{columns[place - 1].title} {title}" if title in ("%", "×") else title


def _widths(columns: Sequence[Column], texts: list[list[str]]) -> list[int]:
    return [max([len(c.title), *(len(row[i]) for row in texts)]) for i, c in enumerate(columns)]


def _total(shown: Sequence[int], widths: Sequence[int]) -> int:
    return sum(widths[i] for i in shown) + _GAP * max(0, len(shown) - 1)


def _fitting(columns: Sequence[Column], widths: Sequence[int], width: int | None) -> list[int]:
    """The columns that fit, by index; those with the highest `drop` are left out first.

    A first column that shrinks does so, down to a third of the line, before any is left out.
    """
    shown = list(range(len(columns)))
    if width is None:
        return shown
    first = widths[0]
    if columns[0].shrinks:
        first = min(first, max(_NARROWEST_NAME, width // 3))
    while first + _GAP + _total(shown[1:], widths) > width:
        droppable = [i for i in shown if columns[i].drop]
        if not droppable:
            break
        shown.remove(max(droppable, key=lambda i: (columns[i].drop, i)))
    return shown


def _tree(rows: Sequence[Row], decorated: bool) -> list[str]:
    """The first cells, indented by depth; on a terminal with the branches of the tree."""
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


def _facts(facts: Facts, width: int | None) -> Iterator[StyledLine]:
    if facts.title:
        yield ((facts.title, "bold"),)
    widest = max(len(name) for name, _ in facts.items)
    for name, cell in facts.items:
        first, *rest = _wrapped(cell.text, width, widest + _GAP)
        yield ((f"{name:<{widest}}  ", "dim"), (first, ""))
        yield from (((" " * (widest + _GAP) + line, ""),) for line in rest)


def _wrapped(text: str, width: int | None, indent: int) -> list[str]:
    """The text in lines that fit behind an indent; one line if there is no room at all."""
    room = 0 if width is None else width - indent
    lines = textwrap.wrap(text, room, break_long_words=False) if room > 0 else [text]
    return [line.replace(_NO_BREAK, " ") for line in lines or [""]]


def _derivation(block: Derivation, width: int | None) -> Iterator[StyledLine]:
    yield ((f"{block.title}  ", "bold"), (block.value.text, "bold"))
    widest = max((len(line.name) for line in block.lines), default=0)
    indent = _GAP + widest + (_GAP if widest else 0)
    for line in block.lines:
        name = f"{' ' * _GAP}{line.name:<{widest}}".ljust(indent)
        for text in _equations(line):
            for part in _wrapped(text, width, indent):
                yield ((name, "dim"), (part, ""))
                name = " " * indent


_NO_BREAK = "\u00a0"  # a space at which no line is broken


def _equations(line: Line) -> list[str]:
    """A formula and, on the next line, its result: ⌊(n − k) / s⌋ + 1, = … = 54."""
    parts = [line.numbers] if line.numbers not in (None, line.result.text) else []
    result = f" ={_NO_BREAK}".join([*filter(None, parts), line.result.text])
    remark = f", {line.remark}" if line.remark else ""
    if line.formula is None:
        return [result + remark]
    if not parts:
        return [f"{line.formula} ={_NO_BREAK}{result}{remark}"]
    return [line.formula, f"={_NO_BREAK}{result}{remark}"]
