"""Output: a result is printed, or written to a file completely or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

import msgspec
import typer

from ..errors import ModelError, NotFound, OutputError, UsageError
from ..escaping import visible, visible_json
from ..fast_meta import fast_torch_import, with_fast_imports
from ..render import render
from ..render.exports import Shown, write
from ..render.options import EXTENSIONS, Format, Options, Picture, PictureFormat
from ..render.output_files import check_writable
from ..render.spelling import spelled
from .model_code import running_models
from .pager import page
from .terminal import echo, echo_note, encoding_of, has_colours, is_terminal, width_of

if TYPE_CHECKING:
    from ..bench.results import Benchmark
    from ..diagnosis.results import Diagnosis
    from ..results import Result

_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Destination:
    """The format of a result and its file, None for standard output."""

    format: PictureFormat | Literal["sarif"]
    file: Path | None
    caption: str | None = None
    label: str | None = None


def destination(
    format: PictureFormat | Literal["sarif"] | None,
    file: Path | None,
    caption: str | None = None,
    label: str | None = None,
    *,
    pictures: bool = True,
) -> Destination:
    """Choose the format and check that the file can be written, before any work is done.

    `pictures`: whether the command draws any. `caption` and `label` are for LaTeX.

    Raises:
        UsageError: there is no format, or the command does not have it, or no LaTeX for a caption.
        OutputError: the file cannot be written.
    """
    to = Destination(*_format_and_file(format, file, pictures), caption, label)
    if to.format != "latex" and (caption is not None or label is not None):
        option = "--label" if caption is None else "--caption"
        raise UsageError(f"{option} is for tables in LaTeX", hint="add --format latex")
    if label is not None:
        from ..render.latex import check_label

        check_label(label)
    return to


def _format_and_file(
    format: PictureFormat | Literal["sarif"] | None, file: Path | None, pictures: bool
) -> tuple[PictureFormat | Literal["sarif"], Path | None]:
    if file is None:
        if format in _BINARY:
            raise UsageError(f"--format {format} is for a file", hint=f"--output picture.{format}")
        return format or "table", None
    if os.path.isdir(file):
        raise OutputError(
            f"cannot write {file}", "it is a directory", hint=f"--output {file / 'report.html'}"
        )
    chosen = format or EXTENSIONS.get(file.suffix.lower())
    if chosen is None:
        known = ", ".join(_extensions(pictures))
        raise UsageError(
            f"--output {file}: its extension tells no format", f"known: {known}",
            hint="add --format table|markdown|csv|json|latex|html|github",
        )  # fmt: skip
    if chosen in get_args(Picture) and not pictures:
        raise UsageError(
            f"--output {file}: there is no picture of this",
            f"known: {', '.join(_extensions(pictures))}",
            hint=f"--output {file.with_suffix('.html')}",
        )
    check_writable(file)
    return chosen, file


_BINARY = ("png", "pdf")


def _extensions(pictures: bool) -> list[str]:
    """The extensions of the formats that a command has."""
    return [e for e, name in EXTENSIONS.items() if pictures or name not in get_args(Picture)]


def result_of(
    call: Callable[[], _R],
    to: Destination | None = None,
    options: Options | None = None,
    *,
    fix: int | None = None,
    fixes_findings: bool = False,
    quick: bool = True,
) -> _R:
    """Call a public function. Models print to standard error meanwhile.

    If the model fails, its diagnosis is emitted in the place of the result, and with `fix`, the fix
    of that number is written into the model's files and the command ends. `fixes_findings`:
    whether the command fixes more than models that fail, and reports that itself.

    `quick`: whether to import torch and other libraries without the parts that a run on `meta`
    does not need. If the call then fails, it is repeated with complete imports, so that its
    error does not depend on them.
    """
    try:
        with running_models(), fast_torch_import(postponing=quick):
            result = with_fast_imports(call, in_doubt=(ModelError, NotFound)) if quick else call()
    except ModelError as error:
        if error.diagnosis is not None and to is not None:
            _emit_diagnosis(error.diagnosis, to, options)
            if fix is not None:
                from .fixing import write_fix

                write_fix(error, fix)
                raise typer.Exit from None
        raise
    if fix is not None and not fixes_findings:
        echo_note("nothing to fix: the model runs")
    return result


_display: ContextVar[Callable[[Shown], None] | None] = ContextVar("display", default=None)


@contextmanager
def display_with(display: Callable[[Shown], None]) -> Iterator[None]:
    """Inside, results that would be printed as tables are displayed: in a notebook, as HTML."""
    token = _display.set(display)
    try:
        yield
    finally:
        _display.reset(token)


def emit(
    result: Result, to: Destination, options: Options | None = None, *, paged: bool = True
) -> None:
    """Render the result and print it, or write it with the pictures it links to.

    `paged`: a table that is longer than the terminal may be shown in a pager. What was measured is
    printed at once, as hyperfine does: one waited for it. So are findings, as those of ruff.
    """
    if to.caption is not None or to.label is not None:
        options = replace(options or Options(), caption=to.caption, label=to.label)
    display = _display.get()
    if to.file is None and to.format == "table" and display is not None:
        display(Shown(result, options))
        return
    if to.file is None:
        width = width_of(sys.stdout) if is_terminal(sys.stdout) else None
        encoding = encoding_of(sys.stdout)
        document = render(
            result, to.format, options, width=width, encoding=encoding,
            coloured=has_colours(sys.stdout),
        )  # fmt: skip
        _print(document.text, to.format, paged and to.format == "table")
        return
    _echo_written(*write(result, to.format, to.file, options))


def _echo_written(*paths: Path) -> None:
    """Print what a command wrote; not that it wrote to a device, such as /dev/stdout."""
    written = [visible(str(path)) for path in paths if path.is_file() or path.is_dir()]
    if written:
        with suppress(OSError, ValueError):  # standard error is full or closed
            echo(f"wrote {', '.join(written)}")


def emit_benchmark(result: Benchmark, format: Format | None, folder: Path | None) -> None:
    """Print a benchmark; under torchrun only the first process does.

    Raises:
        KeyboardInterrupt: the run was interrupted; the command ends as Ctrl-C ends it.
    """
    from ..bench.fabric import is_first_process

    interrupted = any(run.status == "interrupted" for run in result.runs)
    if is_first_process():
        emit(result, Destination(format or "table", None), paged=False)
        if folder is not None:
            _echo_written(folder)
        if interrupted:
            how = f"\n  to go on: cnnstat bench --resume {folder}" if folder else ""
            echo(f"interrupted: what was measured until then is shown{how}")
    if interrupted:
        raise KeyboardInterrupt


def _emit_diagnosis(diagnosis: Diagnosis, to: Destination, options: Options | None) -> None:
    """Emit a diagnosis: as a table on the terminal the layers that ran before the failure.

    The errors are printed to standard error, once and for every format. A file for programs gets
    the record; one for people may have the report of a model that works, and stays as it is.
    """
    if to.format in ("json", "github") or (to.file is None and to.format != "table"):
        emit(diagnosis, to, options)
    elif to.file is None and len(diagnosis.layers) > 1:
        emit(msgspec.structs.replace(diagnosis, errors=()), to, options, paged=False)


def _print(text: str, format: str, paged: bool = False) -> None:
    stream = sys.stdout
    if stream is None:
        raise OutputError("cannot write to standard output", "it is closed")
    try:
        text = _encodable(text, format, encoding_of(stream))
        if paged and page(text, stream):
            return
        stream.write(text)
        stream.flush()
    except OSError as error:
        # Python flushes sys.stdout at exit, and what is left in its buffer would fail again
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # open until the end
        if not isinstance(error, BrokenPipeError):
            reason = error.strerror or str(error)
            raise OutputError("cannot write to standard output", reason) from error
        # a reader that left early, as in `cnnstat list | head -3`, is no error


def _encodable(text: str, format: str, encoding: str) -> str:
    """The text in characters of the encoding: HTML and JSON have spellings for all others."""
    try:
        text.encode(encoding)
        return text
    except UnicodeEncodeError:
        if format == "json":
            return visible_json(text, ascii_only=True)
        if format in ("html", "svg"):
            return text.encode(encoding, "xmlcharrefreplace").decode(encoding)
        return spelled(text, encoding)
