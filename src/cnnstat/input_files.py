"""Reading the files that a user names: regular files, and pipes of the shell."""

from __future__ import annotations

import errno
import io
import os
import stat
import tokenize
from pathlib import Path
from typing import NamedTuple


def read_bytes(path: str | Path) -> bytes:
    """The content of a file.

    Raises:
        OSError: it cannot be read. A device may have no end, and a pipe with a name no writer;
            those of the shell, /dev/stdin and /dev/fd/63, are read.
        ValueError: the path has a null byte.
    """
    mode = os.stat(path).st_mode
    named_pipe = stat.S_ISFIFO(mode) and not str(path).startswith(("/dev/", "/proc/"))
    if named_pipe or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    try:
        return Path(path).read_bytes()
    except MemoryError as error:
        raise OSError(errno.EFBIG, "it is larger than the memory", str(path)) from error


class Source(NamedTuple):
    """The text of a Python file, and the encoding that writes it back."""

    text: str
    encoding: str


def read_source(path: str | Path) -> Source:
    """A Python file in the encoding that it declares: UTF-8 without a declaration.

    Raises:
        OSError: it cannot be read.
    """
    return source_of(Path(path).read_bytes())


def source_of(content: bytes) -> Source:
    """The text of the content of a Python file."""
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(content).readline)[0]
        return Source(content.decode(encoding), encoding)
    except (SyntaxError, ValueError, LookupError):
        # Python imports files with other bytes in their comments, where each is one character
        return Source(content.decode("latin-1"), "latin-1")
