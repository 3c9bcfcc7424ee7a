"""Tables as lines of text: columns that fit the terminal, the tree of layers, folded cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .blocks import Column, Row, Table
from .text_pictures import StyledLine
from .wrapping import LEAST_ROOM, cells, cut, wrapped

_GAP = 2
_NARROWEST_NAME = 8
_SHORTEST_TITLE = 6  # where it is folded
_NARROWEST_TEXT = LEAST_ROOM // 2


def table_lines(table: Table, width: int | None, decorated: bool) -> Iterator[StyledLine]:
    """The lines of a table without its title, and which columns are left out at this width."""
    texts = [[cell.text for cell in row.cells] for row in table.rows]
    if table.tree:
        for row, name in zip(texts, _tree(table.rows, decorated), strict=True):
            row[0] = name
    elif table.columns[0].merged:
        for row, above in zip(texts[:0:-1], texts[-2::-1], strict=True):
            row[0] = "" if row[0] == above[0] else row[0]
    columns = table.columns
    widths = _widths(columns, texts)
    shown = _fitting(columns, widths, width)
    if width is not None and columns[0].shrinks:
        widths[0] = min(widths[0], max(_NARROWEST_NAME, width - _total(shown[1:], widths) - _GAP))
    folded = _fold(columns, texts, shown, widths, width)
    titles = {i: _title_lines(c.title, widths[i]) for i, c in enumerate(columns)}

    def lines(parts: Mapping[int, Sequence[str]]) -> Iterator[str]:
        for place in range(max(len(parts[i]) for i in shown)):
            yield (" " * _GAP).join(
                _pad("".join(parts[i][place : place + 1]), widths[i], columns[i]) for i in shown
            )

    yield from (((line, "bold"),) for line in lines(titles))
    if decorated:
        yield (("─" * _total(shown, widths), "dim"),)
    for record, row in zip(table.rows, texts, strict=True):
        style = "bold" if record.group else ""
        parts = {i: wrapped(row[i], widths[i], 0, 0) if i in folded else [row[i]] for i in shown}
        yield from (((line, style),) for line in lines(parts))
    dropped = [_full_title(columns, i) for i in range(len(widths)) if i not in shown]
    if dropped and width is not None:
        note = f"not shown at {width} characters: {', '.join(dropped)}"
        yield from (((line, "dim"),) for line in wrapped(note, width, 0, _GAP, indented=True))


def _title_lines(title: str, width: int) -> list[str]:
    """The words of a title, one longer than the column cut."""
    return wrapped(" ".join(cut(word, width) for word in title.split(" ")), width, 0, 0)


def _fold(
    columns: Sequence[Column],
    texts: Sequence[Sequence[str]],
    shown: Sequence[int],
    widths: list[int],
    width: int | None,
) -> set[int]:
    """The columns of text whose cells take several lines where the table is still too wide.

    Titles above shorter cells are the first to be folded. `widths` are changed.
    """
    if width is None:
        return set()
    longest = {i: max((cells(row[i]) for row in texts), default=0) for i in shown}
    folded: set[int] = set()
    for narrowest in (
        {i: max(longest[i], _SHORTEST_TITLE) for i in shown},
        {i: _NARROWEST_TEXT for i in shown if not columns[i].numeric},
    ):
        for i in sorted(narrowest, key=lambda i: narrowest[i] - widths[i]):
            over = _total(shown, widths) - width
            if over > 0 and widths[i] > narrowest[i]:
                widths[i] = max(narrowest[i], widths[i] - over)
                folded |= {i} if widths[i] < longest[i] else set()
    return folded


def _pad(text: str, width: int, column: Column) -> str:
    text = cut(text, width)
    blank = " " * (width - cells(text))
    return blank + text if column.numeric else text + blank


def _full_title(columns: Sequence[Column], place: int) -> str:
    """The title of a column by itself: a bare % or × needs that of the figure before it."""
    title = columns[place].title
    return f"{columns[place - 1].title} {title}" if title in ("%", "×") else title


def _widths(columns: Sequence[Column], texts: list[list[str]]) -> list[int]:
    return [max([cells(c.title), *(cells(row[i]) for row in texts)]) for i, c in enumerate(columns)]


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
