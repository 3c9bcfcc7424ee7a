"""The errors of a model on standard error, as wide as the terminal and in its colours."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors import ModelError
from ..escaping import message_text
from ..render.wrapping import PIPED_WIDTH, wrapped
from .terminal import echo, encoding_of, has_colours, width_of

if TYPE_CHECKING:
    from ..diagnosis.results import Diagnosis


def print_problems(error: ModelError, offers_fix: bool = True) -> None:
    """Print the errors of a diagnosis, after an empty line if layers were printed above them."""
    from ..diagnosis.view import problem_of
    from ..render.blocks import Report, with_visible_texts
    from ..render.spelling import in_encoding
    from ..render.text import render_blocks

    problems = tuple(problem_of(fault) for fault in error.diagnosis.errors)
    report = with_visible_texts(Report("", problems))
    width = width_of(sys.stderr)
    report = in_encoding(report, encoding_of(sys.stderr))
    text = render_blocks(report.blocks, width, has_colours(sys.stderr))
    notes = [message_text(note) for note in error.context]
    hint = [f"try: {message_text(error.hint)}"] if error.hint else []  # one line, to be copied
    offer = _offer(error.diagnosis) if offers_fix else []
    width = width or PIPED_WIDTH
    lines = [*_lines(notes, width), *hint, *_lines(offer, width)]
    shown = "".join(f"  {line}\n" for line in lines)
    above = "\n" if len(error.diagnosis.layers) > 1 else ""
    echo(f"{above}{text}{shown}".removesuffix("\n"))


def _lines(notes: list[str], width: int) -> list[str]:
    return [line for note in notes for line in wrapped(note, width, 2, 4, indented=True)]


def _offer(diagnosis: Diagnosis) -> list[str]:
    """What `--fix` does, if there is a fix that it can write."""
    numbers = [n for n, fix in enumerate(diagnosis.errors[-1].fixes, start=1) if fix.edits]
    if not numbers or not all(fault.fixes[0].edits for fault in diagnosis.errors[:-1]):
        return []
    files = dict.fromkeys(
        edit.file for fault in diagnosis.errors for fix in fault.fixes for edit in fix.edits
    )
    ways = [("--fix" if n == 1 else f"--fix {n}") for n in numbers]
    return [f"{', '.join(ways)}: write {'it' if len(ways) == 1 else 'one of them'} into "
            f"{', '.join(files)}"]  # fmt: skip
