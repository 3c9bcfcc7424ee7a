"""Reading the files that a user names: regular files, and pipes of the shell."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


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
