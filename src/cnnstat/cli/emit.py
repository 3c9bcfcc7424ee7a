"""Getting a result to where the user wants it: standard output or a file, whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ..errors import ModelError, OutputError, UsageError
from ..fast_meta import imported_quickly, quickly
from ..render import render
from ..render.options import EXTENSIONS, Format, Options

if TYPE_CHECKING:
    from ..diagnosis.results import Diagnosis
    from ..results import Result

_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a result goes and in which format; settled before any work is done."""

    format: Format
    file: Path | None


def destination(format: Format | None, file: Path | None) -> Destination:
    """Settle the format and make sure that the file can be written.

    Raises:
        UsageError: no format is given and the extension tells none.
        OutputError: the file cannot be written.
    """
    if file is None:
        return Destination(format or "table", None)
    if file.is_dir():
        raise OutputError(
            f"cannot write {file}", "it is a directory", hint=f"--output {file / 'report.html'}"
        )
    chosen = format or EXTENSIONS.get(file.suffix.lower())
    if chosen is None:
        known = ", ".join(EXTENSIONS)
        raise UsageError(
            f"--output {file}: its extension tells no format", f"known: {known}",
            hint="add --format table|markdown|csv|json|latex|html",
        )  # fmt: skip
    _check_writable(file)
    return Destination(chosen, file)


def result_of(call: Callable[[], _R], quick: bool = True) -> _R:
    """What a public function returns; what models print meanwhile goes to standard error.

    `quick`: whether parts of torch and of other libraries are left out of their import, which
    suits what runs models on `meta` and nothing else. A failure is told without that.
    """
    with redirect_stdout(sys.stderr), imported_quickly(postponing=quick):
        return quickly(call, in_doubt=ModelError) if quick else call()


def emit(result: Result, to: Destination, options: Options | None = None) -> None:
    """Render the result and print it, or write it with the pictures it links to."""
    if to.file is None:
        on_terminal = sys.stdout is not None and sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if on_terminal else None
        decorated = on_terminal and not os.environ.get("NO_COLOR")
        document = render(result, to.format, options, width=width, decorated=decorated)
        _print(document.text)
        return
    document = render(result, to.format, options, linked_from=to.file)
    files = {to.file.parent / name: text for name, text in document.pictures.items()}
    write_files({**files, to.file: document.text})


def emit_diagnosis(diagnosis: Diagnosis, to: Destination, options: Options) -> None:
    """What is known of a model that fails: the layers up to there.

    As a table it is only that: the errors come on standard error. Other forms hold them too. A
    file is left as it was: it may hold the report of a model that works.
    """
    if to.file is not None:
        return
    if to.format != "table":
        emit(diagnosis, to, options)
    elif diagnosis.layers:
        emit(msgspec.structs.replace(diagnosis, errors=()), to, options)


def write_files(files: dict[Path, str]) -> None:
    """Write all the files or none: each is complete under another name before any is in place."""
    drafts: dict[Path, Path] = {}
    try:
        for file, text in files.items():
            if file.is_dir():
                raise IsADirectoryError(errno.EISDIR, "it is a directory")
            if file.exists() and not file.is_file():  # a pipe or a device is written to
                file.write_text(text, encoding="utf-8", newline="")
                continue
            target = file.resolve()  # behind a link stands the file that is meant
            handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
            drafts[target] = Path(name)
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as draft:
                draft.write(text)
            mode = target.stat().st_mode if target.exists() else 0o666 & ~_umask()
            drafts[target].chmod(mode & 0o7777)
        for file, written in drafts.items():
            os.replace(written, file)
    except OSError as error:
        raise OutputError(f"cannot write {file}", error.strerror or str(error)) from error
    finally:
        for written in drafts.values():
            written.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _check_writable(file: Path) -> None:
    folder = file.parent
    if not folder.is_dir():
        raise OutputError(
            f"cannot write {file}", f"there is no directory {folder}", hint=f"mkdir -p {folder}"
        )
    if not os.access(folder, os.W_OK) or (file.exists() and not os.access(file, os.W_OK)):
        raise OutputError(f"cannot write {file}", "permission denied")


def _print(text: str) -> None:
    stream = sys.stdout
    if stream is None:
        raise OutputError("cannot write to standard output", "it is closed")
    encoding = stream.encoding or "utf-8"
    try:
        # A terminal that cannot show × gets a ? there, not a traceback.
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except OSError as error:
        # What is left in the buffer cannot be written either, when the process ends.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        if not isinstance(error, BrokenPipeError):
            reason = error.strerror or str(error)
            raise OutputError("cannot write to standard output", reason) from error
        # The reader has what it wanted, as in `cnnstat list | head -3`.
