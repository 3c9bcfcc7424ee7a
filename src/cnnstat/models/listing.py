"""What can be named: the built-in networks, the user's own, and what other packages have.

The models of another package are listed by importing it, and torch with it; the built-in ones and
the names in pyproject.toml without.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from ..errors import ModelError, UsageError, closest
from .model_sources import SOURCES, Select, remember
from .results import Listed, Listing
from .user_names import all_own
from .zoo.catalog import CATALOG


def listing_of(source: str, filter: str | None) -> Listing:
    """The models of a source whose names match."""
    key = source.removesuffix(":")

    def select(names: Iterable[str]) -> list[str]:
        known = list(names)
        if key:
            remember(key, known)
        return known if filter is None else _matching(known, filter, key)

    if not key:
        return Listing(models=tuple(_built_in_and_own(select)))
    if key not in SOURCES:
        close = [f"{name}:" for name in closest(key, SOURCES)[:1]]
        raise UsageError(
            f"unknown source {source!r}",
            f"did you mean {close[0]}?" if close else f"known: {', '.join(SOURCES)}",
            hint="cnnstat list torchvision: --filter 'resnet*'",
        )
    return Listing(models=tuple(SOURCES[key].listed(select)))


def _matching(names: list[str], pattern: str, source: str) -> list[str]:
    wanted = pattern.lower().removeprefix(f"{source}:")
    matching = [name for name in names if fnmatchcase(name.lower(), wanted)]
    if not matching:
        close = closest(wanted.strip("*?"), names)
        raise ModelError(
            f"no model {f'of {source} ' if source else ''}matches {pattern!r}",
            *([f"the nearest are {', '.join(close)}"] if close else []),
        )
    return matching


def _built_in_and_own(select: Select) -> Iterator[Listed]:
    own = all_own()
    for name in select([*CATALOG, *own]):
        if name in CATALOG:
            entry = CATALOG[name]
            yield Listed(name, entry.source, entry.input, entry.params, entry.summary)
        else:
            model = own[name]
            shape = model.inputs[0].shape if len(model.inputs) == 1 else None
            yield Listed(name, model.source, shape, None, model.summary, "own")
