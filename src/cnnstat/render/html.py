"""HTML: one self-contained file, or a fragment of it for a notebook."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any
from zlib import crc32

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .blocks import Block, Derivation, Facts, Picture, Problem, Report, Table, Text
from .data import paths_of
from .figures import svg
from .text import render_blocks

MOST_ROWS = 500
"""Of a table in a notebook, which keeps every output in its file."""


def render(report: Report, fragment: bool = False) -> str:
    """The report as a page, or as a fragment in the colours of the notebook around it."""
    template = _environment().get_template("report.html")
    blocks: list[Block] = [b.as_table if isinstance(b, Derivation) else b for b in report.blocks]
    return template.render(
        report=Report(report.title, _totals_first(blocks)), fragment=fragment, most_rows=MOST_ROWS
    )


def _totals_first(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The blocks with the totals and the notes on them before the first table.

    The end of a terminal's output is what is read first, and of a page its beginning.
    """
    tables = [place for place, block in enumerate(blocks) if isinstance(block, Table)]
    totals = [
        place for place, block in enumerate(blocks) if isinstance(block, Facts) and not block.title
    ]
    if not tables or not totals or totals[0] < tables[0]:
        return tuple(blocks)
    first, start = tables[0], totals[0]
    end = start + 1
    while end < len(blocks) and isinstance(blocks[end], Text):
        end += 1
    return (*blocks[:first], *blocks[start:end], *blocks[first:start], *blocks[end:])


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cnnstat.render"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["picture"] = _picture
    environment.filters["lines"] = _lines
    environment.filters["paths"] = paths_of
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


def _picture(picture: Picture, fragment: bool) -> Markup:
    # matplotlib escapes the names it draws
    drawn = svg(picture, standalone=False)
    if fragment:  # ids are unique in a page; a notebook may show the same picture of other models
        drawn = _ID.sub(rf"\g<1>{crc32(drawn.encode()):x}-", drawn)
    return Markup(drawn)


_ID = re.compile(r'(\bid="|href="#|url\(#)')
