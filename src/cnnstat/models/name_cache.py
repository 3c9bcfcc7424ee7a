"""Names cached for completion and messages: a package's models, and the layers of a model.

To list them imports the package and torch, which takes seconds. A process that has done so anyway
writes the names to the user's cache. Nothing here imports torch, and nothing depends on the cache:
it may be deleted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def remember(source: str, names: Iterable[str]) -> None:
    """Cache the names in the installed version of a package; does nothing where it cannot."""
    with suppress(OSError, RuntimeError):  # no space, no permission, no home: it is optional
        file = _cache_of(source)
        if file is not None and not file.exists():
            _write(file, "\n".join(names))


def remember_layers(spec: str, paths: Iterable[str]) -> None:
    """Cache the paths of a model's layers; does nothing where it cannot."""
    with suppress(OSError, RuntimeError, ValueError):  # ValueError: characters UTF-8 does not have
        file = _layers_file(spec)
        text = "\n".join(path for path in paths if path.isprintable())
        if len(text) > _LONGEST or (file.exists() and file.read_text(encoding="utf-8") == text):
            return
        _write(file, text)
        files = sorted(file.parent.iterdir(), key=lambda other: other.stat().st_mtime)
        for old in files[: max(0, len(files) - _MOST_MODELS)]:
            old.unlink(missing_ok=True)


_MOST_MODELS, _LONGEST = 100, 500_000  # characters


def remembered_layers(spec: str) -> list[str]:
    """The cached paths of a model's layers; empty without a cache."""
    try:
        return _layers_file(spec).read_text(encoding="utf-8").splitlines()
    except (OSError, RuntimeError, UnicodeError):
        return []


def _write(file: Path, text: str) -> None:
    import tempfile

    file.parent.mkdir(parents=True, exist_ok=True)
    # another process may read or write the file at the same time: it is replaced as a whole
    handle, draft = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        os.replace(draft, file)
    finally:
        Path(draft).unlink(missing_ok=True)


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
    return _folder() / f"{source}-{version}.txt"


def _layers_file(spec: str) -> Path:
    """A spec of a source is the same everywhere, a path or module that of the folder."""
    from hashlib import sha256

    from .model_sources import SOURCES

    is_anywhere = spec.partition(":")[0] in SOURCES and not os.path.exists(spec.partition(":")[2])
    place = spec if is_anywhere else f"{os.getcwd()}\n{spec}"
    name = sha256(place.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return _folder() / "layers" / f"{name}.txt"


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "cnnstat"
