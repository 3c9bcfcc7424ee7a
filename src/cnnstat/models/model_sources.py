"""The packages whose models have names, `timm:resnet50`, and a cache of these names.

A row of `SOURCES` is all that the rest of cnnstat knows about a package: from it come loading,
`cnnstat list`, completion, suggestions in messages and the help of the commands.

Listing a package's names imports it and torch, which takes seconds. A process that has imported it
anyway writes the names to the user's cache, one file per version, for completion and messages.
Nothing here imports torch, and nothing depends on the cache: it may be deleted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .loaded import Loaded, Recorded
    from .results import Listed

Loader = Callable[[str, Sequence[Any], Mapping[str, Any], Mapping[str, Any]], "Loaded | Recorded"]
"""From a spec, its inputs, its named inputs and its arguments to the model."""

Select = Callable[[Iterable[str]], list[str]]
"""Picks the requested names out of all; raises ModelError if there is none."""


@dataclass(frozen=True, slots=True)
class Source:
    """A package of models. Its name is the prefix of specs, the package and the extra to install.

    Attributes:
        module: the module, relative to `cnnstat.models`, with `load` (a `Loader`) and `listed`
            (from a `Select` to the rows of `cnnstat list`).
        commands: the commands whose help mentions the source. Others may accept it too.
        other_spec: another kind of spec, which only the help of `shapes` mentions.
        argument_names: the package's name for an argument of the built-in networks.
    """

    module: str
    commands: tuple[str, ...] = ("shapes", "compare", "roofline")
    other_spec: str = ""
    argument_names: Mapping[str, str] = field(default_factory=dict)

    def load(
        self, spec: str, inputs: Sequence[Any], named: Mapping[str, Any],
        arguments: Mapping[str, Any],
    ) -> Loaded | Recorded:  # fmt: skip
        """Build the model that `spec` names; only now the source's module is imported."""
        loader: Loader = import_module(self.module, __package__).load
        return loader(spec, inputs, named, arguments)

    def listed(self, select: Select) -> Iterator[Listed]:
        """The rows of the selected models; imports the package."""
        rows: Iterator[Listed] = import_module(self.module, __package__).listed(select)
        return rows


SOURCES: dict[str, Source] = {
    "torchvision": Source(
        ".torchvision",
        commands=("shapes", "compare", "explain", "scale", "memory", "roofline", "bench"),
    ),
    "timm": Source(
        ".timm",
        commands=("shapes", "compare", "roofline", "bench"),
        argument_names={"in_channels": "in_chans"},
    ),
    "transformers": Source(".transformers.model", other_spec="a config.json behind it"),
}


def source_of(spec: str) -> Source | None:
    """The source whose prefix a spec has: timm for `timm:resnet50`."""
    name, colon, _ = spec.partition(":")
    return SOURCES.get(name) if colon else None


def specs_in_help(command: str) -> str:
    """The specs of packages in the help of a command: `torchvision:NAME, timm:NAME`."""
    shown = []
    for name, source in SOURCES.items():
        other = source.other_spec if command == "shapes" else ""
        if command in source.commands:
            shown.append(f"{name}:NAME or {other}" if other else f"{name}:NAME")
    return ", ".join(shown)


def prefixes_in_help() -> str:
    """`torchvision:, timm: or transformers:`."""
    *others, last = (f"{name}:" for name in SOURCES)
    return f"{', '.join(others)} or {last}" if others else last


# The cache of names


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
