"""`--fix`: write a fix of a diagnosis, or those of `lint`, into the files of the model.

Only where the user asks for it, after the difference was shown, and never into installed packages.
"""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections import defaultdict
from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelError, UsageError
from ..escaping import visible
from ..input_files import Source, read_source
from ..render.output_files import write_files
from ..render.styles import styled
from .problems import print_problems
from .terminal import echo, has_colours

if TYPE_CHECKING:
    from ..diagnosis.results import Diagnosis, Fix, LineEdit

_COLOURS = {"-": "red", "+": "green", "@": "cyan"}


def write_fix(error: ModelError, number: int) -> None:
    """Print the errors and the difference that fix `number` makes, and write it.

    Of several errors, all are fixed: all but the last have one fix.

    Raises:
        UsageError: there is no such fix, or it changes the command rather than a file.
        ModelError: a file has changed since it was read.
        OutputError: a file cannot be written.
    """
    print_problems(error, offers_fix=False)
    write_edits([fix.edits for fix in _chosen(error.diagnosis, number)])


def write_edits(steps: Sequence[Sequence[LineEdit]]) -> None:
    """Show the difference that edits make, and write it; each step is about the files after the
    one before.

    Raises:
        UsageError: a file belongs to an installed package.
        ModelError: a file has changed since it was read.
        OutputError: a file cannot be written.
    """
    texts = _changed_files(steps)
    for file, (before, after) in texts.items():
        _show_difference(file, before.text, after.text)
    copies = {file: _free_name(file) for file in texts}
    write_files({copies[file]: file.read_bytes() for file in texts})
    write_files({file: after.text.encode(after.encoding) for file, (_, after) in texts.items()})
    for file, copy in copies.items():
        # Python compares the time in seconds and the size, which an edit may leave as they were
        Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)
        undo = shlex.join(["mv", str(copy), str(file)])
        echo(f"wrote {visible(str(file))}; to undo: {visible(undo)}")


def _chosen(diagnosis: Diagnosis, number: int) -> list[Fix]:
    *first, last = diagnosis.errors
    if not last.fixes:
        raise UsageError("--fix: there is no fix that was verified")
    if number > len(last.fixes):
        raise UsageError(f"--fix {number}: there are {len(last.fixes)}")
    chosen = [*(fault.fixes[0] for fault in first), last.fixes[number - 1]]
    for fix in chosen:
        if not fix.edits:
            raise UsageError(f"--fix {number}: {fix.edit} is no change of a file")
    return chosen


def _changed_files(steps: Sequence[Sequence[LineEdit]]) -> dict[Path, tuple[Source, Source]]:
    """The source of each file before and after."""
    from ..diagnosis.line_edits import with_edits

    texts: dict[Path, tuple[Source, Source]] = {}
    for step in steps:
        edits = defaultdict(list)
        for edit in step:
            edits[Path(edit.file)].append(edit)
        for file, here in edits.items():
            if any(part in ("site-packages", "dist-packages") for part in file.resolve().parts):
                raise UsageError(f"--fix: {file} belongs to an installed package")
            before, latest = texts[file] if file in texts else (read_source(file),) * 2
            after = with_edits(latest.text, here)
            if after is None:
                raise ModelError(f"--fix: {file} has changed since it was read", hint="again")
            texts[file] = before, latest._replace(text=after)
    return texts


def _show_difference(file: Path, before: str, after: str) -> None:
    colours = has_colours(sys.stderr)
    lines = unified_diff(
        before.splitlines(), after.splitlines(), str(file), str(file), "", "", 2, ""
    )
    echo("")
    for line in lines:
        text = visible(line.expandtabs(4))
        echo(styled(text, _COLOURS.get(line[:1], "")) if colours else text)


def _free_name(file: Path) -> Path:
    """`net.py.orig`, or with a number if that exists."""
    names = (file.with_name(f"{file.name}.orig{n or ''}") for n in range(1000))
    return next(name for name in names if not name.exists())
