"""Text for the terminal; in a pipe the same without colour and lines.

No line is wider than the terminal. In a pipe tables have all their columns and lines of code are
whole, however wide they are, and all other lines are those of a terminal of 80 characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .blocks import (
    Areas,
    Bars,
    Block,
    Curves,
    Derivation,
    Facts,
    Heatmap,
    ImageGrid,
    Line,
    Problem,
    Report,
    Roof,
    Table,
    Text,
)
from .problems import problem_lines
from .styles import styled
from .text_pictures import StyledLine, draw_areas, draw_bars, draw_curves
from .text_tables import table_lines
from .wrapping import LEAST_ROOM, PIPED_WIDTH, cells, wrapped

_GAP = 2


def render(
    report: Report, width: int | None = None, coloured: bool = False, lines: bool | None = None
) -> str:
    """Lay the report out as text.

    `width` is the terminal's in characters, None for no limit. `lines`: whether it is drawn with
    characters of lines and blocks; without a value, if it is coloured.
    """
    decorated = coloured if lines is None else lines
    return _joined(styled_lines(report, width, decorated), coloured)


def styled_lines(report: Report, width: int | None, decorated: bool) -> list[StyledLine]:
    """The lines of the report; `decorated`: with characters of lines and blocks."""
    title = _wrapped(report.title, width or PIPED_WIDTH, 0) if report.title else []
    lines: list[StyledLine] = [((line, "bold"),) for line in title]
    for block in report.blocks:
        gap = _with_gap(_block(block, width, decorated))
        lines += gap if lines else gap[1:]
    return lines


def render_blocks(blocks: Sequence[Block], width: int | None, coloured: bool) -> str:
    """Lay blocks out without a title, an empty line between them; see `render`."""
    return _joined(styled_lines(Report("", tuple(blocks)), width, coloured), coloured)


def _joined(lines: Sequence[StyledLine], coloured: bool) -> str:
    text = "\n".join(_line(spans, coloured) for spans in lines)
    return text.rstrip() + "\n"


def _line(spans: StyledLine, coloured: bool) -> str:
    """The spans of a line, without spaces at its end."""
    shown = [text for text, _ in spans]
    while shown and not shown[-1].strip():
        shown.pop()
    if shown:
        shown[-1] = shown[-1].rstrip()
    if not coloured:
        return "".join(shown)
    return "".join(styled(text, style) for text, (_, style) in zip(shown, spans, strict=False))


def _with_gap(lines: Iterator[StyledLine]) -> list[StyledLine]:
    """The lines after an empty one; nothing if there are none."""
    some = list(lines)
    return [(), *some] if some else []


def _block(block: Block, width: int | None, decorated: bool) -> Iterator[StyledLine]:
    prose = width or PIPED_WIDTH
    if isinstance(block, Table):
        if block.title:
            yield from _heading(block.title, prose)
        yield from table_lines(block, width, decorated)
    elif isinstance(block, Facts):
        yield from _facts(block, prose)
    elif isinstance(block, Derivation):
        yield from _derivation(block, prose)
    elif isinstance(block, Bars):
        yield from _heading(block.title, prose)
        yield from draw_bars(block, width, decorated)
    elif isinstance(block, Areas):
        yield from _heading(block.title, prose)
        yield from ((("", ""), (line, "")) for line in draw_areas(block, width, decorated))
    elif isinstance(block, Curves):
        if decorated:  # elsewhere the table of the values is enough
            yield from draw_curves(block, prose)
    elif isinstance(block, Problem):
        yield from problem_lines(block, prose, width)
    elif isinstance(block, Roof | Heatmap | ImageGrid):
        yield from ()  # a table has the values, or no text can
    else:
        yield from _text(block, prose)


def _text(text: Text, width: int) -> Iterator[StyledLine]:
    style = {"plain": "", "lead": "bold", "note": "dim"}[text.style]
    rest = _GAP if text.style == "note" else 0
    for line in text.lines:
        yield from (((part, style),) for part in wrapped(line, width, 0, rest, indented=True))


def _heading(title: str, width: int) -> Iterator[StyledLine]:
    yield from (((line, "bold underline"),) for line in _wrapped(title, width, 0))


def _facts(facts: Facts, width: int) -> Iterator[StyledLine]:
    if facts.title:
        yield from (((line, "bold"),) for line in _wrapped(facts.title, width, 0))
    widest = max(cells(name) for name, _ in facts.items)
    if width - widest - _GAP < LEAST_ROOM:  # values on lines of their own
        for name, cell in facts.items:
            yield from (((line, "dim"),) for line in _wrapped(name, width, 0))
            yield from (((" " * _GAP + line, ""),) for line in _wrapped(cell.text, width, _GAP))
        return
    for name, cell in facts.items:
        first, *rest = _wrapped(cell.text, width, widest + _GAP)
        yield ((name + " " * (widest - cells(name) + _GAP), "dim"), (first, ""))
        yield from (((" " * (widest + _GAP) + line, ""),) for line in rest)


def _wrapped(text: str, width: int, indent: int) -> list[str]:
    """The text in lines that fit behind an indent."""
    return [line.replace(_NO_BREAK, " ") for line in wrapped(text, width, indent, indent)]


def _derivation(block: Derivation, width: int) -> Iterator[StyledLine]:
    title = f"{block.title}  "
    if cells(title + block.value.text) > width:
        yield from (((line, "bold"),) for line in _wrapped(block.title, width, 0))
        yield from (((line, "bold"),) for line in _wrapped(block.value.text, width, 0))
    else:
        yield ((title, "bold"), (block.value.text, "bold"))
    widest = max((cells(line.name) for line in block.lines), default=0)
    indent = _GAP + widest + (_GAP if widest else 0)
    is_narrow = width - indent < LEAST_ROOM
    for line in block.lines:
        name = f"{' ' * _GAP}{line.name}".ljust(indent)
        if is_narrow and line.name:
            yield from (((f"  {part}", "dim"),) for part in _wrapped(line.name, width, _GAP))
            name = " " * 2 * _GAP
        elif is_narrow:
            name = " " * _GAP
        for text in _equations(line):
            for part in _wrapped(text, width, cells(name)):
                yield ((name, "dim"), (part, ""))
                name = " " * cells(name)


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
