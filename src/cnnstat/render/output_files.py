"""Files that a result is written to: completely, or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..errors import OutputError


def write_files(files: Mapping[Path, str | bytes]) -> None:
    """Write all files or none: all are written under other names before any is renamed."""
    drafts: dict[Path, Path] = {}
    try:
        for file, content in files.items():
            data = content.encode("utf-8") if isinstance(content, str) else content
            if file.is_dir():
                raise IsADirectoryError(errno.EISDIR, "it is a directory")
            if file.exists() and not file.is_file():  # write into a pipe or a device
                file.write_bytes(data)
                continue
            target = file.resolve()  # replace the target of a link, not the link
            # a long name would be too long with a suffix
            handle, name = tempfile.mkstemp(prefix=f".{target.name[:50]}-", dir=target.parent)
            drafts[target] = Path(name)
            with os.fdopen(handle, "wb") as draft:
                draft.write(data)
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


def check_writable(file: Path) -> None:
    """Raises OutputError if it is plain beforehand that a file cannot be written."""
    folder = file.parent
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:  # a name that is too long, a link to itself
        raise OutputError(f"cannot write {file}", error.strerror or str(error)) from error
    if not folder.is_dir():
        raise OutputError(
            f"cannot write {file}", f"there is no directory {folder}", hint=f"mkdir -p {folder}"
        )
    if not os.access(folder, os.W_OK) or (file.exists() and not os.access(file, os.W_OK)):
        raise OutputError(f"cannot write {file}", "permission denied")
