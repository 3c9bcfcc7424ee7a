"""From a result to a document: views decide what is shown, one renderer per format how.

Views and renderers are imported when they are needed: `cnnstat --help` needs none of them.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from ..errors import UsageError
from .options import EXTENSIONS, Format, Options

if TYPE_CHECKING:
    from ..results import Result
    from .blocks import Report

__all__ = ["EXTENSIONS", "Document", "Format", "Options", "render", "report_of"]


@dataclass(frozen=True, slots=True)
class Document:
    """A rendered result: its text, and the picture files it links to, by name."""

    text: str
    pictures: dict[str, str]


def report_of(result: Result, options: Options | None = None) -> Report:
    """The report of any result.

    Raises:
        UsageError: the options name an unknown column.
    """
    from ..results import KINDS, view_of

    options = options or Options(depth=KINDS[result.kind].depth)
    report: Report = view_of(result.kind)(result, options)
    return report


def render(
    result: Result,
    format: Format,
    options: Options | None = None,
    *,
    width: int | None = None,
    decorated: bool = False,
    linked_from: PurePath | None = None,
) -> Document:
    """Render a result.

    Args:
        width: of the terminal in characters, for `table`; None is no limit.
        decorated: whether a `table` may use colour and lines.
        linked_from: the file that Markdown is written to: its pictures become files beside it.
    """
    if format == "json":
        return Document(_json(result), {})
    report = report_of(result, options)
    if format == "table":
        from .text import render as text

        return Document(text(report, width, decorated), {})
    if format == "html":
        from .html import render as html

        return Document(html(report), {})
    if format == "svg":
        return _drawn(report, linked_from)
    from . import markup

    if format == "markdown" and linked_from is not None:
        files = _pictures(report, linked_from)
        names = {key: name for key, (name, _) in files.items()}
        return Document(markup.markdown(report, names), dict(files.values()))
    renderers: dict[str, Callable[[Report], str]] = {
        "markdown": markup.markdown, "latex": markup.latex, "csv": markup.comma_separated,
    }  # fmt: skip
    return Document(renderers[format](report), {})


def shown_as_text(result: Result) -> str:
    """What `repr` shows: the table, as wide as the terminal."""
    on_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if on_terminal else None
    return render(result, "table", width=width, decorated=False).text.rstrip("\n")


def shown_as_html(result: Result) -> str:
    """What a notebook shows."""
    from .html import render as html

    return html(report_of(result), fragment=True)


def _json(result: Result) -> str:
    from .json import render as json

    return json(result)


def _pictures(report: Report, file: PurePath) -> dict[str, tuple[str, str]]:
    from .figures import svg
    from .pictures import Picture

    return {
        block.key: (f"{file.stem}-{block.key}.svg", svg(block))
        for block in report.blocks if isinstance(block, Picture)
    }  # fmt: skip


def _drawn(report: Report, file: PurePath | None) -> Document:
    """The first picture of a report; those that follow become files beside its file."""
    from .figures import svg
    from .pictures import Picture

    pictures = [block for block in report.blocks if isinstance(block, Picture)]
    if not pictures:
        raise UsageError("this report has no picture", hint="--format html")
    first, *others = pictures
    beside = {f"{file.stem}-{b.key}.svg": svg(b) for b in others} if file else {}
    return Document(svg(first), beside)
