"""The names of a package's models, cached for completion and messages.

Listing them imports the package and torch, which takes seconds. A process that has imported it
anyway writes the names to the user's cache, one file per version. Nothing here imports torch, and
nothing depends on the cache: it may be deleted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def remember(source: str, names: Iterable[str]) -> None:
    """Cache the names in the installed version of a package; does nothing where it cannot."""
    import tempfile

    try:
        file = _cache_of(source)
        if file is None or file.exists():
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        # another process may read or write the file at the same time: it is replaced as a whole
        handle, draft = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write("\n".join(names))
            os.replace(draft, file)
        finally:
            Path(draft).unlink(missing_ok=True)
    except (OSError, RuntimeError):  # no space, no permission, no home: the cache is optional
        return


def remembered(source: str) -> tuple[str, ...]:
    """The cached names for the installed version of a package; empty without a cache."""
    try:
        file = _cache_of(source)
        return tuple(file.read_text(encoding="utf-8").split()) if file is not None else ()
    except (OSError, RuntimeError, UnicodeDecodeError):
        return ()


def _cache_of(source: str) -> Path | None:
    from importlib import metadata  # slower than everything else that completion imports

    try:
        version = metadata.version(source)
    except metadata.PackageNotFoundError:
        return None
    base = os.environ.get("XDG_CACHE_HOME", "")
    folder = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return folder / "cnnstat" / f"{source}-{version}.txt"
