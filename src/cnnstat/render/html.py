"""HTML: one self-contained file, or a fragment of it for a notebook."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .blocks import Derivation, Facts, Picture, Problem, Report, Table, Text
from .figures import svg
from .text import render_blocks


def render(report: Report, fragment: bool = False) -> str:
    """The report as a page, or as a fragment to embed in another page."""
    template = _environment().get_template("report.html")
    blocks = [block.as_table if isinstance(block, Derivation) else block for block in report.blocks]
    return template.render(report=Report(report.title, tuple(blocks)), fragment=fragment)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cnnstat.render"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["picture"] = _picture
    environment.filters["lines"] = _lines
    environment.tests["table"] = _is(Table)
    environment.tests["facts"] = _is(Facts)
    environment.tests["picture"] = lambda block: isinstance(block, Picture)
    environment.tests["text"] = _is(Text)
    environment.tests["problem"] = _is(Problem)
    return environment


def _is(kind: Any) -> Any:
    return lambda block: isinstance(block, kind)


def _lines(problem: Problem) -> str:
    return render_blocks((problem,), 100, False)


def _picture(picture: Picture) -> Markup:
    # matplotlib escapes the names it draws
    return Markup(svg(picture, standalone=False))
