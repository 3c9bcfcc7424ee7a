r"""LaTeX: tables for `booktabs` and `siunitx`, and derivations for `amsmath`.

The text is a fragment for `\input`; its first lines name the packages that the document loads. A
table fits into the text of an article in one column: the size of the font is chosen by its width,
columns are left out unless they were asked for, and long texts are wrapped. More rows than a page
has are a `longtable`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UsageError
from ..escaping import visible
from .blocks import Cell, Derivation, Facts, Line, Picture, Problem, Report, Table, Text
from .latex_text import CHARACTER, mathematics, text, width_of
from .text import render_blocks

_LABEL = re.compile(r"[A-Za-z0-9:._/+-]+")
_LONGEST = 40  # rows on one page
_PACKAGES = {r"\toprule": "booktabs", r"\sisetup": "siunitx", r"{longtable}": "longtable",
             r"\raggedright": "array", r"{landscape}": "pdflscape",
             r"\begin{align*}": "amsmath"}  # fmt: skip


def check_label(label: str) -> None:
    """Raise UsageError if a label has characters that LaTeX's labels cannot have."""
    if not _LABEL.fullmatch(label):
        raise UsageError(
            f"--label {label!r} has characters that a label of LaTeX cannot have",
            "letters, digits and : . _ / + - can be in it", hint="--label tab:layers",
        )  # fmt: skip


def latex(
    report: Report, caption: str | None = None, label: str | None = None, all_columns: bool = False
) -> str:
    r"""Tables with captions; notes are comments.

    Args:
        caption: of the first table, as plain text; the others have their titles.
        label: of the first table; the others have it with a number.
        all_columns: leave out no column of the first table, however wide it is.

    Raises:
        UsageError: the label has characters that no label can have.
    """
    if label is not None:
        check_label(label)
    parts = []
    tables = 0
    for block in report.blocks:
        if isinstance(block, Text):
            parts.append(_comment(block.lines))
        elif isinstance(block, Problem):
            parts.append(_comment(render_blocks((block,), 98, False).rstrip("\n").split("\n")))
        elif isinstance(block, Derivation):
            parts.append(_aligned(block))
        elif not isinstance(block, Picture):
            first = tables == 0
            tables += 1
            head = block.title or report.title
            if first and caption is not None:
                head = visible(caption)
            name = label if first or label is None else f"{label}-{tables}"
            grid = _grid(block, keep_all=all_columns and first)
            parts.append(_float(grid, head, name))
    return "\n\n".join([*_preamble(report, parts), *parts]) + "\n"


def _preamble(report: Report, parts: Sequence[str]) -> list[str]:
    code = "\n".join(parts)
    lines = [report.title] if report.title else []
    packages = [package for sign, package in _PACKAGES.items() if sign in code]
    if packages:
        lines.append(f"needs \\usepackage{{{','.join(packages)}}}")
    head = [_comment(lines)] if lines else []
    if r"\cnnstatchar" in code:
        head.append(CHARACTER)
    return head


def _comment(lines: Sequence[str]) -> str:
    return "\n".join(f"% {line}" for line in lines)


# ---------------------------------------------------------------- tables


@dataclass(frozen=True)
class _Font:
    """A size of the font, with the width of a digit and the gap between columns in points."""

    command: str
    digit: float
    gap: float = 8


_FONTS = (
    _Font(r"\small", 4.63), _Font(r"\footnotesize", 4.25, 6), _Font(r"\scriptsize", 3.98, 6),
    _Font(r"\tiny", 3.4, 4),
)  # fmt: skip
_READABLE = 2  # fonts down to this one are tried before columns are left out
_ROOM, _LANDSCAPE = 342, 540  # points: the line of an article in one column, and on its side
_NARROWEST = 12  # digits, of a column whose texts are wrapped
_NUMBERS = ("count", "difference", "number", "share", "ratio", "loss", "intensity")
_NUMBER = re.compile(r"[+−]?[\d,]+(?:\.\d+)?")


@dataclass
class _ColumnOfCells:
    title: str
    cells: list[str]
    depths: list[int]
    drop: int
    numbers: bool
    numeric: bool
    share: float | None = None  # of the line, if its texts are wrapped

    @property
    def width(self) -> float:
        indented = zip(self.cells, self.depths, strict=True)
        title = max(map(len, self.title.split()), default=0) * 1.1  # capital letters are wide
        return max([title, *(width_of(cell) + 1.6 * n for cell, n in indented)])


@dataclass
class _Grid:
    columns: list[_ColumnOfCells]
    font: _Font
    landscape: bool

    @property
    def height(self) -> int:
        return len(self.columns[0].cells)


def _grid(block: Table | Facts, keep_all: bool) -> _Grid:
    columns = _columns_of_facts(block) if isinstance(block, Facts) else _columns_of_table(block)
    font, landscape = _fit(columns, keep_all)
    return _Grid(columns, font, landscape)


def _columns_of_facts(facts: Facts) -> list[_ColumnOfCells]:
    names = [name for name, _ in facts.items]
    values = [cell.text for _, cell in facts.items]
    none = [0] * len(names)
    return [_ColumnOfCells("", names, none, 0, False, False),
            _ColumnOfCells("", values, none, 0, False, False)]  # fmt: skip


def _columns_of_table(table: Table) -> list[_ColumnOfCells]:
    columns = []
    for place, column in enumerate(table.columns):
        cells = [row.cells[place] for row in table.rows]
        percent = column.title == "%" and all(cell.kind == "share" for cell in cells)
        texts = [cell.text.removesuffix(" %") if percent else cell.text for cell in cells]
        if column.merged:
            texts = [t if i == 0 or t != texts[i - 1] else "" for i, t in enumerate(texts)]
        indents = [row.depth if table.tree and place == 0 else 0 for row in table.rows]
        numbers = column.numeric and _are_numbers(cells, texts)
        columns.append(
            _ColumnOfCells(column.title, texts, indents, column.drop, numbers, column.numeric)
        )
    return columns


def _are_numbers(cells: Sequence[Cell], texts: Sequence[str]) -> bool:
    """Whether digits are aligned; at least one is a number, the others may be words."""
    kinds = all(cell.kind in _NUMBERS for cell in cells)
    return kinds and any(_NUMBER.fullmatch(text) for text in texts)


def _fit(columns: list[_ColumnOfCells], keep_all: bool) -> tuple[_Font, bool]:
    """Choose the font, and whether the page is on its side.

    Columns of a table that is too wide are left out or wrapped.
    """
    readable = _FONTS if keep_all else _FONTS[:_READABLE]
    while True:
        for font in readable:
            if _width(columns, font) <= _ROOM:
                return font, False
        droppable = [] if keep_all else [column for column in columns if column.drop]
        if not droppable:
            break
        columns.remove(max(droppable, key=lambda column: column.drop))
    for room in (_ROOM, _LANDSCAPE):
        for font in _FONTS:
            if _width(columns, font) <= room or _wrap(columns, font, room):
                return font, room == _LANDSCAPE
    return _FONTS[-1], True


def _width(columns: Sequence[_ColumnOfCells], font: _Font) -> float:
    return font.digit * sum(column.width for column in columns) + font.gap * (len(columns) - 1)


def _wrap(columns: Sequence[_ColumnOfCells], font: _Font, room: float) -> bool:
    """Wrap the widest columns of text until the table fits; False if there is no room for them."""
    texts = sorted((c for c in columns if not c.numeric), key=lambda c: -c.width)
    for count in range(1, len(texts) + 1):
        wrapped = texts[:count]
        rest = sum(column.width for column in columns if column not in wrapped)
        each = (room - font.gap * (len(columns) - 1) - font.digit * rest) / count
        is_widest = count == len(texts) or each >= font.digit * texts[count].width
        if each >= font.digit * _NARROWEST and is_widest:
            for column in wrapped:
                column.share = each / room
            return True
    return False


def _float(grid: _Grid, caption: str, label: str | None) -> str:
    """A table that floats, or one over several pages."""
    columns = "".join(map(_specification, grid.columns))
    titles = _line([_title(column) for column in grid.columns])
    head = "" if not any(column.title for column in grid.columns) else f"{titles}\n\\midrule\n"
    rows = "\n".join(
        _line([_cell(column, place) for column in grid.columns])
        for place in range(grid.height)
    )  # fmt: skip
    named = [rf"\caption{{{text(caption, breakable=True)}}}"] if caption else []
    named += [rf"\label{{{label}}}"] if label else []
    setup = _SETUP if any(column.numbers for column in grid.columns) else []
    look = [
        grid.font.command, rf"\setlength{{\tabcolsep}}{{{grid.font.gap / 2:g}pt}}", *setup,
    ]  # fmt: skip
    if grid.height > _LONGEST:
        first = "\n".join([*named, r"\\"]) + "\n" if named else ""
        return _turned(grid, [
            r"\begingroup", *look, rf"\begin{{longtable}}{{@{{}}{columns}@{{}}}}",
            rf"{first}\toprule", f"{head}\\endfirsthead", r"\toprule", f"{head}\\endhead",
            r"\bottomrule", r"\endfoot", rows, r"\end{longtable}", r"\endgroup",
        ])  # fmt: skip
    return _turned(grid, [
        r"\begin{table}[htbp]", r"\centering", *named, *look,
        rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\toprule",
        f"{head}{rows}".rstrip("\n"), r"\bottomrule", r"\end{tabular}", r"\end{table}",
    ])  # fmt: skip


def _turned(grid: _Grid, lines: Sequence[str]) -> str:
    around = (r"\begin{landscape}", r"\end{landscape}")
    return "\n".join([around[0], *lines, around[1]] if grid.landscape else lines)


_SETUP = [
    r"\sisetup{group-separator={,},group-minimum-digits=4,input-ignore={,},"
    r"input-decimal-markers={.},retain-explicit-plus}"
]


def _line(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _specification(column: _ColumnOfCells) -> str:
    if column.numbers:
        numbers = [cell for cell in column.cells if _NUMBER.fullmatch(cell)]
        digits = max(len(re.sub(r"\D", "", number.partition(".")[0])) for number in numbers)
        decimals = max(len(number.partition(".")[2]) for number in numbers)
        sign = "+" if any(number[0] in "+−" for number in numbers) else ""
        return f"S[table-format={sign}{digits}.{decimals}]"
    if column.share is not None:
        return rf">{{\raggedright\arraybackslash}}p{{{column.share:.3f}\linewidth}}"
    return "r" if column.numeric else "l"


def _title(column: _ColumnOfCells) -> str:
    """In several lines, if it is longer than the cells."""
    words = column.title.split()
    longest = max(map(len, column.cells), default=0)
    if len(words) < 2 or len(column.title) <= longest:
        return f"{{{text(column.title)}}}" if column.numbers else text(column.title)
    side = "" if column.numbers else "[r]" if column.numeric else "[l]"
    lines = r" \\ ".join(map(text, words))
    return rf"{{\shortstack{side}{{{lines}}}}}"


def _cell(column: _ColumnOfCells, place: int) -> str:
    plain, depth = column.cells[place], column.depths[place]
    if column.numbers:
        if _NUMBER.fullmatch(plain):
            return plain.replace("−", "-")
        return f"{{{text(plain)}}}" if plain else ""
    indent = rf"\hspace*{{{depth}em}}" if depth else ""
    return indent + text(plain, breakable=column.share is not None)


# ---------------------------------------------------------------- derivations


def _aligned(derivation: Derivation) -> str:
    """The lines of a derivation in `align*`, with their = signs below one another."""
    title = rf"\noindent\textbf{{{text(derivation.title)}: {text(derivation.value.text)}}}"
    if not derivation.lines:
        return title
    lines = " \\\\\n".join(_equation(line, derivation.title) for line in derivation.lines)
    return f"{title}\n\\begin{{align*}}\n{lines}\n\\end{{align*}}"


def _equation(line: Line, title: str) -> str:
    parts = [part for part in (line.formula, line.numbers) if part is not None]
    if line.result.text not in parts:
        parts.append(line.result.text)
    remark = rf" \quad\text{{({text(line.remark)})}}" if line.remark else ""
    equal = " \\\\\n&= ".join(mathematics(part) for part in parts)
    return rf"\text{{{text(line.name or title.lower())}}} &= {equal}{remark}"
