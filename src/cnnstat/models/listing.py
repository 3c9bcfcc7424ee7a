"""List models by name: built-in networks, user-defined names, models of other packages.

The models of a package are those shipped with cnnstat if its version is the same or it is not
installed; any other version is imported, and torch with it. Nothing else here needs torch.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from importlib import import_module, metadata

from ..errors import ModelError, NotFound, UsageError, closest
from ..inputs import InputSpec
from .known_names import extra_of, is_installed, is_word_of, likeness, near_specs
from .model_sources import SOURCES, Select
from .name_cache import remember
from .results import Listed, Listing
from .shipped_names import shipped_rows, shipped_version
from .user_names import all_user_models
from .zoo.catalog import CATALOG


def listing_of(source: str, filter: str | None, words: Sequence[str] = ()) -> Listing:
    """The models of a source, or built-in and user-defined ones if it is empty.

    Args:
        source: a name of `SOURCES`, with or without a colon.
        filter: a shell pattern for the names, case-insensitive; None for all.
        words: parts that every name has, or patterns of whole names. With words and no source, the
            models of all sources are searched.

    Raises:
        UsageError: the source is unknown.
        ModelError: no name matches.
    """
    key = source.removesuffix(":")
    if key and key not in SOURCES:
        raise _unknown_source(source)

    def select(names: Iterable[str], prefix: str = key) -> list[str]:
        return [name for name in names if _matches(name, prefix, filter, words)]

    notes: list[str] = []
    if key:
        rows = list(_of_source(key, select, notes))
    else:
        rows = list(_built_in_and_user_models(select))
        if words:
            for name in SOURCES:
                rows += _of_source(name, select, notes, quietly=True)
    if not rows:
        raise _no_match(key, filter, words)
    if words:  # the nearest first
        rows.sort(key=lambda row: likeness(words[0], row.name.rpartition(":")[2]))
    return Listing(models=tuple(rows), notes=tuple(notes))


def _unknown_source(source: str) -> UsageError:
    close = [f"{name}:" for name in closest(source.removesuffix(":"), SOURCES)[:1]]
    return UsageError(
        f"unknown source {source!r}",
        f"did you mean {close[0]}?" if close else f"known: {', '.join(SOURCES)}",
        hint=f"cnnstat list {close[0] if close else source}",
    )


def _matches(name: str, source: str, filter: str | None, words: Sequence[str]) -> bool:
    low = name.lower()
    if filter is not None and not fnmatchcase(low, filter.lower().removeprefix(f"{source}:")):
        return False
    return all(
        fnmatchcase(low, word.lower()) if set(word) & set("*?[") else is_word_of(word, name)
        for word in words
    )


def _no_match(source: str, filter: str | None, words: Sequence[str]) -> NotFound:
    pattern = repr(filter) if filter is not None else repr(" ".join(words))
    of = f"of {source} " if source else ""
    word = (filter or "".join(words)).removeprefix(f"{source}:").strip("*?")
    near = near_specs(word, source)
    if source:
        near = [spec.removeprefix(f"{source}:") for spec in near]
    elif not words:  # only the built-in networks and the user's own were searched
        near = [s for s in near if ":" not in s] or closest(word, CATALOG)
    sources = [f"{name}:" for name in closest(word, SOURCES, cutoff=0.7)] if words else []
    searched = [] if source else ["the built-in networks, your own"]
    if words and not source:
        searched += [f"{name}:" for name in SOURCES]
    return NotFound(
        f"no model {of}matches {pattern}",
        *([f"the nearest are {', '.join([*sources, *near])}"] if sources or near else []),
        *([f"searched: {', '.join(searched)}"] if searched and not near else []),
        # several words may exclude each other: without the last
        hint=shlex.join(["cnnstat", "list", *([f"{source}:"] if source else []), *words[:-1]]),
    )


def _of_source(
    source: str, select: Callable[..., list[str]], notes: list[str], quietly: bool = False
) -> Iterator[Listed]:
    """The selected models of a source; if `quietly`, a package that fails is only noted.

    Raises:
        ModelError: the package cannot be imported, or is not installed and its models are unknown.
    """
    version = _version_of(source)
    if version and version == shipped_version(source):
        yield from _shipped(source, select, "")
        return
    if is_installed(source) or not shipped_version(source):

        def chosen(names: Iterable[str]) -> list[str]:
            known = list(names)
            remember(source, known)
            return select(known, source)

        try:
            yield from list(import_module(SOURCES[source].module, __package__).listed(chosen))
            return
        except ModelError as error:
            if not quietly:
                raise
            notes.append(f"{error.message}: its models are those of {source} "
                         f"{shipped_version(source)}")  # fmt: skip
    yield from _shipped(source, select, extra_of(source))


def _version_of(source: str) -> str:
    try:
        return metadata.version(source) if is_installed(source) else ""
    except metadata.PackageNotFoundError:
        return ""


def _shipped(source: str, select: Callable[..., list[str]], needs: str) -> Iterator[Listed]:
    rows = {row.name: row for row in shipped_rows(source)}
    for name in select(rows, source):
        row = rows[name]
        yield Listed(
            f"{source}:{name}", row.module, row.input, row.params, row.summary, source, needs
        )


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
