"""From a result to a document: a view chooses what is shown, a renderer per format lays it out.

Views and renderers are imported when they are needed: `cnnstat --help` needs none of them.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..choices import check_choice
from ..errors import UsageError
from ..public_calls import is_shown_in_python, python_text
from .options import EXTENSIONS, Format, Options, PictureFormat, Units
from .options import Picture as PictureName

if TYPE_CHECKING:
    from ..results import Result
    from .blocks import Picture, Report

__all__ = [
    "EXTENSIONS",
    "Content",
    "Document",
    "Format",
    "Options",
    "PictureFormat",
    "render",
    "report_of",
]


Content = str | bytes


@dataclass(frozen=True, slots=True)
class Document:
    """A rendered result, and the picture files that it links to, by name.

    `binary` is that of a format that is no text; `text` is then empty.
    """

    text: str
    pictures: Mapping[str, Content]
    binary: bytes | None = None

    @property
    def content(self) -> Content:
        return self.text if self.binary is None else self.binary


def report_of(result: Result, options: Options | None = None) -> Report:
    """The report of any result.

    Raises:
        UsageError: the options name an unknown column or unit.
    """
    from ..results import KINDS, view_of
    from .blocks import with_texts, with_visible_texts
    from .units import in_units

    options = options or Options()
    check_choice("units", options.units, get_args(Units))
    if options.depth is None:
        options = replace(options, depth=KINDS[result.kind].depth)
    report: Report = with_visible_texts(view_of(result.kind)(result, options))
    if is_shown_in_python():
        report = with_texts(report, python_text)
    return in_units(report, options.units)


def render(
    result: Result,
    format: PictureFormat | Literal["sarif"],
    options: Options | None = None,
    *,
    width: int | None = None,
    coloured: bool = False,
    encoding: str = "utf-8",
    linked_from: PurePath | None = None,
) -> Document:
    """Render a result.

    Args:
        width: of the terminal in characters, for `table`; None is no limit.
        coloured: whether a `table` has colours, and lines where the encoding has them.
        encoding: of the terminal, for a `table`: `x` stands for × where it has none.
        linked_from: the file that Markdown or SVG is written to; pictures get files next to it.
    """
    if format == "json":
        from .json import render as json

        return Document(json(result), {})
    if format == "csv":
        from .data import comma_separated, data_of

        return Document(comma_separated(data_of(result, options)), {})
    report = report_of(result, options)
    if format == "table":
        from .spelling import LINES, can_encode, in_encoding
        from .text import render as text

        lines = coloured and can_encode(LINES, encoding)
        return Document(text(in_encoding(report, encoding), width, coloured, lines), {})
    if format == "html":
        from .html import render as html

        return Document(html(report), {})
    if format == "github":
        from .github import workflow_commands

        return Document(workflow_commands(report), {})
    if format == "sarif":
        from .sarif import sarif

        return Document(sarif(report), {})
    if format in get_args(PictureName):
        return _drawn(report, result.kind, format, linked_from)
    if format == "latex":
        from .latex import latex

        chosen = options or Options()
        return Document(
            latex(report, chosen.caption, chosen.label, all_columns=bool(chosen.columns)), {}
        )
    from .markup import markdown

    files = {} if linked_from is None else _picture_files(_pictures(report), linked_from)
    names = {key: name for key, (name, _) in files.items()}
    return Document(markdown(report, names), dict(files.values()))


def shown_as_text(result: Result, options: Options | None = None) -> str:
    """The `repr` of a result: its table, as wide as the terminal."""
    on_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if on_terminal else None
    return render(result, "table", options, width=width).text.rstrip("\n")


def shown_as_html(result: Result, options: Options | None = None) -> str:
    """The HTML of a result in a notebook."""
    from .html import render as html

    return html(report_of(result, options), fragment=True)


_WIDTH = 100  # characters of a table that is drawn
_FORMATS = "--format table|markdown|csv|json|latex|html"


def _drawn(report: Report, kind: str, format: Any, file: PurePath | None) -> Document:
    """The first picture of a report, or its table if it has none.

    The others become files next to its file.
    """
    from ..results import KINDS

    pictures = _pictures(report)
    if pictures:
        from .figures import draw

        first, *others = pictures
        content = draw(first, format)
        files = dict(_picture_files(others, file, format).values()) if file else {}
    elif KINDS[kind].drawn:
        from .table_figures import draw_lines
        from .text import styled_lines

        content, files = draw_lines(styled_lines(report, _WIDTH, True), format), {}
    else:
        raise UsageError(f"a result of the kind {kind} has no picture", hint=_FORMATS)
    if isinstance(content, str):
        return Document(content, files)
    return Document("", files, content)


def _pictures(report: Report) -> list[Picture]:
    from .blocks import Picture

    return [block for block in report.blocks if isinstance(block, Picture)]


def _picture_files(
    pictures: list[Picture], file: PurePath, format: Any = "svg"
) -> dict[str, tuple[str, Content]]:
    """The name and the content of each picture, by the picture's key."""
    from .figures import draw

    return {
        picture.key: (f"{file.stem}-{picture.key}.{format}", draw(picture, format))
        for picture in pictures
    }
