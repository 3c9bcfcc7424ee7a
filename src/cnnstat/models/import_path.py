"""The folders from which user code is imported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def on_sys_path(folder: Path | str | None) -> Iterator[None]:
    """Put `folder` at the front of `sys.path`; does nothing for None.

    An empty text is the working directory, also when that changes later.
    """
    if folder is None:
        yield
        return
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):  # the imported code may change the list too
            sys.path.remove(str(folder))
