"""Shell completion. It imports no torch and runs no code of the user."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import typer

from ..models.zoo.catalog import CATALOG

Completions = list[tuple[str, str]]
"""What completes a word, each with its description."""

# The source or file and the colon before the word to complete, if the shell has split them off.
_split_off = ""


def complete_model(incomplete: str) -> Completions:
    """Names, and models in Python files; after `SOURCE:` the names of the source."""
    from ..models.user_names import known_names

    place, colon, name = (_split_off + incomplete).rpartition(":")
    if colon:
        prefix = "" if _split_off else f"{place}:"
        return [(f"{prefix}{n}", "") for n in _names_in(place) if n.startswith(name)]
    built_in = [(n, e.summary) for n, e in CATALOG.items() if n.startswith(incomplete)]
    named = [(n, "your own") for n in known_names() if n.startswith(incomplete)]
    sources = complete_source(incomplete) if incomplete else []
    return [*built_in, *named, *sources, *_in_files(incomplete)]


def _names_in(place: str) -> Iterable[str]:
    """The models of a source, or of a Python file, which is not run."""
    from ..models.known_names import names_of
    from ..models.source_scan import functions_of, models_of

    if not place.endswith(".py"):
        return names_of(place)
    return [*models_of(Path(place)), *functions_of(Path(place))]


def _in_files(incomplete: str) -> Completions:
    """`FILE.py:NAME` of the models in the Python files whose path begins so, and folders."""
    from ..models.source_scan import models_of, python_files

    above, slash, begin = incomplete.rpartition("/")
    folder = Path(above or slash or ".")
    found = [
        (f"{above}{slash}{file.name}:{name}", "")
        for file in python_files(folder)
        if file.name.startswith(begin)
        for name in models_of(file)
    ]
    if not incomplete:
        return found
    try:
        below = sorted(path.name for path in folder.iterdir() if path.is_dir())
    except OSError:
        return found
    return found + [(f"{above}{slash}{n}/", "") for n in below if n.startswith(begin)]


def complete_source(incomplete: str) -> Completions:
    """The sources that `cnnstat list` takes as its argument."""
    from ..models.model_sources import SOURCES

    if _split_off:  # after the colon nothing follows
        return []
    return [(f"{s}:", f"the models of {s}") for s in SOURCES if s.startswith(incomplete)]


def complete_layer(context: typer.Context, incomplete: str) -> Completions:
    """The layers of the model that was typed before."""
    from ..models.layer_names import layers_of

    model = context.params.get("model")
    layers = layers_of(model) if isinstance(model, str) else []
    return [(path, "") for path in layers if path.startswith(incomplete)]


def complete_columns(incomplete: str) -> Completions:
    """The last of the columns in a list with commas; `+NAME` too."""
    from ..analysis.layer_table import COLUMNS

    before, comma, last = incomplete.rpartition(",")
    plus = "+" if last.startswith("+") else ""
    begin = last.removeprefix("+")
    return [(f"{before}{comma}{plus}{n}", "") for n in COLUMNS if n.startswith(begin)]


def complete_device(incomplete: str) -> Completions:
    from ..rooflines.gpus import DEVICES, SHORT

    titles = {device.name: device.title for device in DEVICES}
    titles |= {short: titles[name] for short, name in SHORT.items()}
    return [(n, titles[n]) for n in sorted(titles) if n.startswith(incomplete.lower())]


def complete_roofline_device(incomplete: str) -> Completions:
    auto = [("auto", "the GPU of this machine")] if "auto".startswith(incomplete) else []
    return [*auto, *complete_device(incomplete)]


def complete_memory_device(incomplete: str) -> Completions:
    from ..choices import DEVICE_KINDS

    kinds = [(name, "") for name in DEVICE_KINDS if name.startswith(incomplete)]
    return [*kinds, *complete_roofline_device(incomplete)]


def complete_data(incomplete: str) -> Completions:
    from ..choices import DATA

    return [(name, about) for name, about in DATA.items() if name.startswith(incomplete)]


def complete_log(incomplete: str) -> Completions:
    from ..choices import LogName

    return [(name, "") for name in get_args(LogName) if name.startswith(incomplete)]


def complete_schedule(incomplete: str) -> Completions:
    from ..choices import SCHEDULES

    return [(name, "") for name in SCHEDULES if name.startswith(incomplete)]


def complete_sort(incomplete: str) -> Completions:
    """One column, of `shapes`."""
    from ..analysis.layer_table import COLUMNS

    return [(name, "") for name in COLUMNS if name.startswith(incomplete)]


def complete_roofline_sort(incomplete: str) -> Completions:
    from ..rooflines.view import SORTED_BY

    return [(name, "") for name in SORTED_BY if name.startswith(incomplete)]


def complete_rules(incomplete: str) -> Completions:
    """The last of the codes in a list with commas; read from the source, as rules import torch."""
    before, comma, last = incomplete.rpartition(",")
    folder = Path(__file__).parent.parent / "linting" / "rules"
    texts = [file.read_text(encoding="utf-8") for file in folder.glob("*.py")]
    rules = sorted(rule for text in texts for rule in _RULE.findall(text))
    return [(f"{before}{comma}{code}", name) for code, name in rules if code.startswith(last)]


_RULE = re.compile(r'^@rule\(\s*"(CN\d+)",\s*"([\w-]+)"', re.MULTILINE)


def join_words_of_bash() -> None:
    """Join the words of `torchvision:res`, which bash splits at the colon, in its environment."""
    global _split_off
    words, at = os.environ.get("COMP_WORDS", "").split("\n"), os.environ.get("COMP_CWORD", "")
    if os.environ.get("_CNNSTAT_COMPLETE") != "complete_bash" or not at.isdecimal():
        return
    current = int(at)
    colon = current if words[current : current + 1] == [":"] else current - 1
    if colon >= 1 and words[colon : colon + 1] == [":"]:
        _split_off = f"{words[colon - 1]}:"
        words[colon - 1 : current + 1] = words[colon + 1 : current + 1] or [""]
        current = colon - 1
    for at_word in range(len(words) - 2, 0, -1):  # the words before it: explain timm : x lay
        if words[at_word] == ":" and at_word < current - 1:
            words[at_word - 1 : at_word + 2] = ["".join(words[at_word - 1 : at_word + 2])]
            current -= 2
    os.environ.update(COMP_WORDS="\n".join(words), COMP_CWORD=str(current))
