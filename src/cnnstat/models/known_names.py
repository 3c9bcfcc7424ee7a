"""The names of all models that a spec can be: built-in, user-defined, of each source.

A source's names are those of its installed version if they are cached, else those shipped with
cnnstat. Nothing here imports torch, a package of models or a user's module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from importlib.util import find_spec
from itertools import zip_longest

from .model_sources import SOURCES
from .name_cache import remembered
from .shipped_names import shipped_names
from .user_names import known_names
from .zoo.catalog import CATALOG

_NEAR = 0.7  # of difflib's ratio
_NEAR_SHORT, _SHORT = 0.8, 4  # of words with so many letters: a letter more, or less
_PER_SOURCE = 3
_MOST = 6


def names_of(source: str) -> tuple[str, ...]:
    """The names of a source's models, without its prefix."""
    return remembered(source) or shipped_names(source)


def is_installed(source: str) -> bool:
    try:
        return find_spec(source) is not None
    except (ImportError, ValueError):  # a module without a spec in sys.modules
        return False


def extra_of(source: str) -> str:
    """The extra to install for a source: `cnnstat[timm]`."""
    return f"cnnstat[{source}]"


def plain(name: str) -> str:
    """A name without what people write in several ways: capitals, `-`, `_`, `.` and spaces."""
    return re.sub(r"[-_.\s]", "", name).lower()


def specs() -> Iterator[tuple[str, str]]:
    """Each spec that names a model, with its name alone: ("timm:resnet50", "resnet50")."""
    for name in [*CATALOG, *known_names()]:
        yield name, name
    for source in SOURCES:
        for name in names_of(source):
            yield f"{source}:{name}", name


def is_word_of(part: str, name: str) -> bool:
    """Whether a name contains `part`, apart from how both are written."""
    return plain(part) in plain(name)


def same_specs(name: str) -> list[str]:
    """The specs whose name is `name`, apart from how it is written.

    A built-in or user-defined one is the only one: they are named without a source.
    """
    word = plain(name)
    same = [spec for spec, known in specs() if plain(known) == word]
    return [spec for spec in same if ":" not in spec][:1] or same


def family_sources(name: str) -> set[str]:
    """The sources with models whose names start with the word `name`: vit_b_16 for `vit`."""
    word = re.escape(name.lower())
    begins = re.compile(rf"{word}(?![a-z])")
    return {spec.rpartition(":")[0] for spec, known in specs() if begins.match(known.lower())}


def likeness(word: str, name: str) -> float:
    """How near a name is to a word: 0 for the same, 9 for one that has nothing of it."""
    rank = _rank(plain(word), name)
    return 9 if rank is None else rank


def near_specs(name: str, source: str = "") -> list[str]:
    """The specs nearest to a name over all sources or one, at most six, the sources in turn.

    Those of the same name come first, then its family (vit_b_16 for `vit`), then those that begin
    with it, those that contain it and those that are spelled alike, the shortest first.
    """
    ranked = _ranked(name, source)
    parts = re.split(r"[-_]", name)
    for count in range(len(parts) - 1, 0, -1):  # bert for bert-base-uncased
        if ranked and ranked[0][0] <= _MISSPELT:
            break
        begin = "-".join(parts[:count])
        family = [entry for entry in _ranked(begin, source) if entry[0] <= _BEGINS]
        if family and len(begin) >= _SHORTEST:
            ranked = family
            break
    return _in_turn([spec for *_, spec in ranked])


_BEGINS, _MISSPELT = 2, 4.2  # the ranks of names that begin with the word, or are hardly others
_SHORTEST = 3  # letters of a family


def _ranked(name: str, source: str) -> list[tuple[float, int, int, str]]:
    word = plain(name)
    if not word:
        return []
    return sorted(
        (rank, len(known), order, spec)
        for order, (spec, known) in enumerate(specs())
        if spec.startswith(f"{source}:" if source else "")
        and (rank := _rank(word, known)) is not None
    )


def _rank(word: str, name: str) -> float | None:
    """0 for the same name, up to 4 for one that is spelled alike; None for others."""
    known = plain(name)
    if known == word:
        return 0
    if known.startswith(word):
        return 2 if known[len(word)].isalpha() and _is_inside_word(word, name) else 1
    if word in known:
        return 3
    if known[:1] != word[0]:
        return None
    # as difflib.get_close_matches: cheap upper bounds before the ratio
    matcher = SequenceMatcher(None, known, word)
    if matcher.real_quick_ratio() < _NEAR or matcher.quick_ratio() < _NEAR:
        return None
    ratio = matcher.ratio()
    is_strict = len(word) <= _SHORT and sorted(word) != sorted(known)  # not two letters swapped
    return 5 - ratio if ratio >= (_NEAR_SHORT if is_strict else _NEAR) else None


def _is_inside_word(word: str, name: str) -> bool:
    """Whether letters follow `word` in the same part of a name: vits, not vit_b_16."""
    return len(re.split(r"[-_.]", name)[0]) > len(word)


def _in_turn(ranked: Sequence[str]) -> list[str]:
    """One of each source, then a second of each and so on; the sources by their first."""
    by_source: dict[str, list[str]] = {}
    for spec in ranked:
        by_source.setdefault(spec.rpartition(":")[0], []).append(spec)
    turns = zip_longest(*(found[:_PER_SOURCE] for found in by_source.values()))
    return [spec for turn in turns for spec in turn if spec][:_MOST]
