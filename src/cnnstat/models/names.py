"""The other packages whose models can be named, and the names that each was last seen to have.

Asking a package for its names imports it and torch, which takes seconds. Whoever has imported it
anyway leaves the names in the user's cache, one file per version, for completion and for error
messages to read. Nothing here imports torch, and nothing depends on the cache: it may be deleted.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

SOURCES = ("torchvision", "timm", "transformers")


def remember(source: str, names: Iterable[str]) -> None:
    """Keep the names that the installed version of a package has; silent where it cannot be."""
    try:
        file = _file(source)
        if file is None or file.exists():
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write("\n".join(names))
            os.replace(draft, file)
        finally:
            Path(draft).unlink(missing_ok=True)
    except (OSError, RuntimeError):  # no room, no permission, no home: a cache is a convenience
        return


def remembered(source: str) -> tuple[str, ...]:
    """The names kept for the installed version of a package; none where none were kept."""
    try:
        file = _file(source)
        return tuple(file.read_text(encoding="utf-8").split()) if file is not None else ()
    except (OSError, RuntimeError, UnicodeDecodeError):
        return ()


def _file(source: str) -> Path | None:
    from importlib import metadata  # takes longer than all else that completion imports

    try:
        version = metadata.version(source)
    except metadata.PackageNotFoundError:
        return None
    base = os.environ.get("XDG_CACHE_HOME", "")
    folder = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return folder / "cnnstat" / f"{source}-{version}.txt"
