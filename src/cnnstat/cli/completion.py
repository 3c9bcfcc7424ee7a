"""Shell completion of model names. It imports no torch and runs no code of the user."""

from __future__ import annotations

import os

from ..models.zoo.catalog import CATALOG

# The source and colon before the word to complete, if the shell has split them off.
_split_off = ""


def complete_model(incomplete: str) -> list[tuple[str, str]]:
    """Built-in names and those of pyproject.toml; after `SOURCE:` the names that it had last."""
    from ..models.name_cache import remembered
    from ..models.user_names import known_names

    source, colon, name = (_split_off + incomplete).partition(":")
    if colon:
        prefix = "" if _split_off else f"{source}:"
        return [(f"{prefix}{n}", "") for n in remembered(source) if n.startswith(name)]
    built_in = [(n, e.summary) for n, e in CATALOG.items() if n.startswith(incomplete)]
    return built_in + [(n, "your own") for n in known_names() if n.startswith(incomplete)]


def complete_source(incomplete: str) -> list[tuple[str, str]]:
    """The sources that `cnnstat list` takes as its argument."""
    from ..models.model_sources import SOURCES

    if _split_off:  # after the colon nothing follows
        return []
    return [(f"{s}:", f"the models of {s}") for s in SOURCES if s.startswith(incomplete)]


def join_words_of_bash() -> None:
    """Join the words of `torchvision:res`, which bash splits at the colon, in its environment."""
    global _split_off
    words, at = os.environ.get("COMP_WORDS", "").split("\n"), os.environ.get("COMP_CWORD", "")
    if os.environ.get("_CNNSTAT_COMPLETE") != "complete_bash" or not at.isdecimal():
        return
    current = int(at)
    colon = current if words[current : current + 1] == [":"] else current - 1
    if colon < 1 or words[colon : colon + 1] != [":"]:
        return
    _split_off = f"{words[colon - 1]}:"
    words[colon - 1 : current + 1] = words[colon + 1 : current + 1] or [""]
    os.environ.update(COMP_WORDS="\n".join(words), COMP_CWORD=str(colon - 1))
