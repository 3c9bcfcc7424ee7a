"""Getting a result to where the user wants it: standard output or a file, whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OutputError, UsageError
from ..reports import render
from ..reports.options import EXTENSIONS, Format, Options

if TYPE_CHECKING:
    from ..reports import Result


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
    chosen = format or EXTENSIONS.get(file.suffix.lower())
    if chosen is None:
        known = ", ".join(EXTENSIONS)
        raise UsageError(
            f"--output {file}: its extension tells no format", f"known: {known}",
            hint="add --format table|markdown|csv|json|latex|html",
        )  # fmt: skip
    _check_writable(file)
    return Destination(chosen, file)


def emit(result: Result, to: Destination, options: Options | None = None) -> None:
    """Render the result and print it, or write it with the pictures it links to."""
    if to.file is None:
        on_terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if on_terminal else None
        document = render(result, to.format, options, width=width, decorated=on_terminal)
        _print(document.text)
        return
    document = render(result, to.format, options, linked_from=to.file)
    files = {to.file.parent / name: text for name, text in document.pictures.items()}
    write_files({**files, to.file: document.text})


def write_files(files: dict[Path, str]) -> None:
    """Write all the files or none: each is complete under another name before any is in place."""
    drafts: dict[Path, str] = {}
    try:
        for file, text in files.items():
            handle, drafts[file] = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as draft:
                draft.write(text)
            os.chmod(drafts[file], 0o666 & ~_umask())
        for file, draft_name in drafts.items():
            os.replace(draft_name, file)
    except OSError as error:
        for draft_name in drafts.values():
            Path(draft_name).unlink(missing_ok=True)
        raise OutputError(f"cannot write {file}", error.strerror or str(error)) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _check_writable(file: Path) -> None:
    folder = file.parent
    if file.is_dir():
        raise OutputError(
            f"cannot write {file}", "it is a directory", hint=f"{file / 'report.html'}"
        )
    if not folder.is_dir():
        raise OutputError(f"cannot write {file}", f"there is no directory {folder}",
                          hint=f"mkdir -p {folder}")  # fmt: skip
    if not os.access(folder, os.W_OK) or (file.exists() and not os.access(file, os.W_OK)):
        raise OutputError(f"cannot write {file}", "permission denied")


def _print(text: str) -> None:
    stream = sys.stdout
    encoding = stream.encoding or "utf-8"
    # A terminal that cannot show × gets a ? there, not a traceback.
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()
