"""What can be named: the built-in networks, the user's own, and what other packages have.

The models of another package are listed by importing it, and torch with it; the built-in ones and
the names in pyproject.toml without.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase

from ..errors import ModelError, UsageError, closest
from .names import SOURCES, remember
from .results import Listed, Listing
from .user_names import all_own
from .zoo.catalog import CATALOG

Choose = Callable[[Iterable[str]], list[str]]
"""Of all names those that are asked for; raises ModelError if there is none."""


def listing_of(source: str, filter: str | None) -> Listing:
    """The models of a source whose names match."""
    key = source.removesuffix(":")

    def choose(names: Iterable[str]) -> list[str]:
        known = list(names)
        if key:
            remember(key, known)
        return known if filter is None else _matching(known, filter, key)

    listed = _LISTERS.get(key)
    if listed is None:
        close = [f"{name}:" for name in closest(key, SOURCES)[:1]]
        raise UsageError(
            f"unknown source {source!r}",
            f"did you mean {close[0]}?" if close else f"known: {', '.join(SOURCES)}",
            hint="cnnstat list torchvision: --filter 'resnet*'",
        )
    return Listing(models=tuple(listed(choose)))


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


def _built_in_and_own(choose: Choose) -> Iterator[Listed]:
    own = all_own()
    for name in choose([*CATALOG, *own]):
        if name in CATALOG:
            entry = CATALOG[name]
            yield Listed(name, entry.source, entry.input, entry.params, entry.summary)
        else:
            model = own[name]
            shape = model.inputs[0].shape if len(model.inputs) == 1 else None
            yield Listed(name, model.source, shape, None, model.summary, "own")


def _torchvision(choose: Choose) -> Iterator[Listed]:
    from . import torchvision as vision

    return vision.listed(choose)


def _timm(choose: Choose) -> Iterator[Listed]:
    from . import timm as timm_models

    timm = timm_models.package()
    for name in choose(timm.list_models()):
        config = timm.get_pretrained_cfg(name)
        shape = (1, *config.input_size) if config is not None else None
        place = timm.model_entrypoint(name).__module__
        yield Listed(f"timm:{name}", place, shape, None, "", "timm")


def _transformers(choose: Choose) -> Iterator[Listed]:
    from .transformers.importing import import_transformers

    auto = import_transformers()
    configs = importlib.import_module("transformers.models.auto.configuration_auto")
    made = auto.MODEL_MAPPING_NAMES  # what AutoModel makes of a config, by its model_type
    for name in choose(sorted(made)):
        model = made[name] if isinstance(made[name], str) else made[name][0]
        place = f"transformers.models.{configs.model_type_to_module_name(name)}"
        yield Listed(f"transformers:{name}", place, None, None, model, "transformers")


_LISTERS: dict[str, Callable[[Choose], Iterator[Listed]]] = {
    "": _built_in_and_own,
    "torchvision": _torchvision,
    "timm": _timm,
    "transformers": _transformers,
}
