"""The terminal, and what is piped out of it: the same text without colour and box art."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from .blocks import Block, Column, Derivation, Facts, Report, Row, Table, Text
from .blocks import Line as Worked
from .pictures import Areas, Bars, Curves, Roof

_GAP = 2
_NARROWEST_NAME = 8

Line = tuple[tuple[str, str], ...]
"""Spans of text, each with its style as rich names it; "ansi" has its own colours."""


def render(report: Report, width: int | None = None, decorated: bool = False) -> str:
    """Lay the report out as text.

    `width` is the terminal's in characters, None for no limit. `decorated` allows colour and
    lines; rich leaves the colour out where NO_COLOR is set.
    """
    lines: list[Line] = [((report.title, "bold"),)]
    for block in report.blocks:
        lines += _with_gap(_block(block, width, decorated))
    text = _coloured(lines) if decorated else "\n".join("".join(t for t, _ in x) for x in lines)
    return "\n".join(line.rstrip() for line in text.split("\n")).rstrip() + "\n"


def _with_gap(lines: Iterator[Line]) -> list[Line]:
    """Behind an empty line; nothing, if there are none."""
    drawn = list(lines)
    return [(), *drawn] if drawn else []


def _coloured(lines: Sequence[Line]) -> str:
    # rich costs as much as the rest of `cnnstat list`: without colour it is not needed
    from io import StringIO

    from rich.console import Console
    from rich.text import Text as RichText

    out = StringIO()
    console = Console(file=out, force_terminal=True, highlight=False, legacy_windows=False)
    for line in lines:
        spans = [RichText.from_ansi(x) if style == "ansi" else (x, style) for x, style in line]
        console.print(RichText.assemble(*spans), soft_wrap=True)
    return out.getvalue()


def _block(block: Block, width: int | None, decorated: bool) -> Iterator[Line]:
    if isinstance(block, Table):
        yield from _table(block, width, decorated)
    elif isinstance(block, Facts):
        yield from _facts(block, width)
    elif isinstance(block, Derivation):
        yield from _derivation(block, width)
    elif isinstance(block, Bars):
        from .terminal_bars import drawn as bars_drawn

        yield _heading(block.title, decorated)
        yield from bars_drawn(block, width, decorated)
    elif isinstance(block, Areas):
        from .terminal_areas import drawn as areas_drawn

        yield _heading(block.title, decorated)
        yield from ((("", ""), (line, "")) for line in areas_drawn(block, width, decorated))
    elif isinstance(block, Curves):
        if decorated:  # elsewhere the table that states the values is enough
            from .terminal_curves import drawn as curves_drawn

            yield from curves_drawn(block, width or 80)
    elif isinstance(block, Roof):
        yield from ()  # its table says it all
    else:
        yield from _text(block, width)


def _text(text: Text, width: int | None) -> Iterator[Line]:
    style = {"plain": "", "lead": "bold", "note": "dim"}[text.style]
    for line in text.lines:
        for part in textwrap.wrap(line, width) if width is not None else [line]:
            yield ((part, style),)


def _table(table: Table, width: int | None, decorated: bool) -> Iterator[Line]:
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
    kept = _fitting(table.columns, widths, width)
    if width is not None and table.columns[0].shrinks:
        widths[0] = min(widths[0], max(_NARROWEST_NAME, width - _total(kept[1:], widths) - _GAP))

    def line(cells: Sequence[str]) -> str:
        return (" " * _GAP).join(_pad(cells[i], widths[i], table.columns[i]) for i in kept)

    yield ((line([column.title for column in table.columns]), "bold"),)
    if decorated:
        yield (("─" * _total(kept, widths), "dim"),)
    for row, cells in zip(table.rows, texts, strict=True):
        yield ((line(cells), "bold" if row.group else ""),)
    dropped = [_full_title(table.columns, i) for i in range(len(widths)) if i not in kept]
    if dropped:
        yield from _text(
            Text((f"not shown at {width} characters: {', '.join(dropped)}",), "note"), width
        )


def _heading(title: str, decorated: bool) -> Line:
    return ((title, "bold underline" if decorated else ""),)


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

    A first column that shrinks does so down to a third of the line before another one goes.
    """
    kept = list(range(len(columns)))
    if width is None:
        return kept
    first = widths[0]
    if columns[0].shrinks:
        first = min(first, max(_NARROWEST_NAME, width // 3))
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


def _facts(facts: Facts, width: int | None) -> Iterator[Line]:
    if facts.title:
        yield ((facts.title, "bold"),)
    widest = max(len(name) for name, _ in facts.items)
    for name, cell in facts.items:
        first, *rest = _wrapped(cell.text, width, widest + _GAP)
        yield ((f"{name:<{widest}}  ", "dim"), (first, ""))
        yield from (((" " * (widest + _GAP) + line, ""),) for line in rest)


def _wrapped(text: str, width: int | None, indent: int) -> list[str]:
    """The text in lines that fit behind an indent; one line where nothing would."""
    room = 0 if width is None else width - indent
    lines = textwrap.wrap(text, room, break_long_words=False) if room > 0 else [text]
    return [line.replace(_TOGETHER, " ") for line in lines or [""]]


def _derivation(block: Derivation, width: int | None) -> Iterator[Line]:
    yield ((f"{block.title}  ", "bold"), (block.value.text, "bold"))
    widest = max((len(line.name) for line in block.lines), default=0)
    indent = _GAP + widest + (_GAP if widest else 0)
    for line in block.lines:
        name = f"{' ' * _GAP}{line.name:<{widest}}".ljust(indent)
        for text in _worked(line):
            for part in _wrapped(text, width, indent):
                yield ((name, "dim"), (part, ""))
                name = " " * indent


_TOGETHER = "\u00a0"  # a space at which no line is broken


def _worked(line: Worked) -> list[str]:
    """A formula on a line of its own, what it gives below: ⌊(n − k) / s⌋ + 1, = … = 54."""
    parts = [line.numbers] if line.numbers not in (None, line.result.text) else []
    result = f" ={_TOGETHER}".join([*filter(None, parts), line.result.text])
    remark = f", {line.remark}" if line.remark else ""
    if line.formula is None:
        return [result + remark]
    if not parts:
        return [f"{line.formula} ={_TOGETHER}{result}{remark}"]
    return [line.formula, f"={_TOGETHER}{result}{remark}"]
