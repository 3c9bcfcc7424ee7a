"""List models by name: built-in networks, user-defined names, models of other packages.

Listing the models of another package imports it, and torch with it. Built-in networks and the names
in pyproject.toml are listed without torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from importlib import import_module

from ..errors import NotFound, UsageError, closest
from ..inputs import InputSpec
from .model_sources import SOURCES, Select
from .name_cache import remember
from .results import Listed, Listing
from .user_names import all_user_models
from .zoo.catalog import CATALOG


def listing_of(source: str, filter: str | None) -> Listing:
    """The models of a source, or built-in and user-defined ones if it is empty.

    Args:
        source: a name of `SOURCES`, with or without a colon.
        filter: a shell pattern for the names, case-insensitive; None for all.

    Raises:
        UsageError: the source is unknown.
        ModelError: no name matches.
    """
    key = source.removesuffix(":")

    def select(names: Iterable[str]) -> list[str]:
        known = list(names)
        if key:
            remember(key, known)
        return known if filter is None else _matching(known, filter, key)

    if not key:
        return Listing(models=tuple(_built_in_and_user_models(select)))
    if key not in SOURCES:
        close = [f"{name}:" for name in closest(key, SOURCES)[:1]]
        raise UsageError(
            f"unknown source {source!r}",
            f"did you mean {close[0]}?" if close else f"known: {', '.join(SOURCES)}",
            hint="cnnstat list torchvision: --filter 'resnet*'",
        )
    rows: Iterator[Listed] = import_module(SOURCES[key].module, __package__).listed(select)
    return Listing(models=tuple(rows))


def _matching(names: list[str], pattern: str, source: str) -> list[str]:
    pattern_of_name = pattern.lower().removeprefix(f"{source}:")
    matching = [name for name in names if fnmatchcase(name.lower(), pattern_of_name)]
    if not matching:
        close = closest(pattern_of_name.strip("*?"), names)
        raise NotFound(
            f"no model {f'of {source} ' if source else ''}matches {pattern!r}",
            *([f"the nearest are {', '.join(close)}"] if close else []),
        )
    return matching


def _built_in_and_user_models(select: Select) -> Iterator[Listed]:
    user_models = all_user_models()
    for name in select([*CATALOG, *user_models]):
        if name in CATALOG:
            entry = CATALOG[name]
            yield Listed(name, entry.source, entry.input, entry.params, entry.summary)
        else:
            model = user_models[name]
            shapes = [i.shape for i in model.inputs if isinstance(i, InputSpec)]
            shape = shapes[0] if len(model.inputs) == len(shapes) == 1 else None
            yield Listed(name, model.source, shape, None, model.summary, "own")
