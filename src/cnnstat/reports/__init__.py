"""From a result to a document: views decide what is shown, one renderer per format how."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

from ..analysis.records import Analysis, Comparison, Listing
from . import comparison, listing, shapes
from .shapes import Options
from .view import Bars, Report

Format = Literal["table", "markdown", "csv", "json", "latex", "html"]
Result = Analysis | Comparison | Listing
EXTENSIONS: dict[str, Format] = {
    ".txt": "table", ".md": "markdown", ".csv": "csv", ".json": "json", ".tex": "latex",
    ".html": "html", ".htm": "html",
}  # fmt: skip
COMPARISON_DEPTH = 1


@dataclass(frozen=True, slots=True)
class Document:
    """A rendered result: its text, and the picture files it links to, by name."""

    text: str
    pictures: dict[str, str]


def view(result: Result, options: Options | None = None) -> Report:
    """The report of any result.

    Raises:
        UsageError: the options name an unknown column.
    """
    if isinstance(result, Listing):
        return listing.view(result)
    if isinstance(result, Comparison):
        return comparison.view(result, options or Options(depth=COMPARISON_DEPTH))
    return shapes.view(result, options or Options())


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
    report = view(result, options)
    if format == "table":
        from .text import render as text

        return Document(text(report, width, decorated), {})
    if format == "html":
        from .html import render as html

        return Document(html(report), {})
    from . import markup

    if format == "markdown" and linked_from is not None:
        files = _pictures(report, linked_from)
        names = {key: name for key, (name, _) in files.items()}
        return Document(markup.markdown(report, names), dict(files.values()))
    renderers: dict[str, Callable[[Report], str]] = {
        "markdown": markup.markdown, "latex": markup.latex, "csv": markup.comma_separated,
    }  # fmt: skip
    return Document(renderers[format](report), {})


def shown_as_text(result: Any) -> str:
    """What `repr` shows: the table, as wide as the terminal."""
    on_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if on_terminal else None
    return render(result, "table", width=width, decorated=False).text.rstrip("\n")


def shown_as_html(result: Any) -> str:
    """What a notebook shows."""
    from .html import render as html

    return html(view(result), fragment=True)


def _json(result: Result) -> str:
    from .json import render as json

    return json(result)


def _pictures(report: Report, file: PurePath) -> dict[str, tuple[str, str]]:
    from .figures import svg

    return {
        block.key: (f"{file.stem}-{block.key}.svg", svg(block))
        for block in report.blocks if isinstance(block, Bars)
    }  # fmt: skip
