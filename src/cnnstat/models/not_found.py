"""Errors for names that no model has: what is near, and what to type.

Nothing here imports torch or runs code of the user.
"""

from __future__ import annotations

import ast
import shlex
from collections.abc import Sequence
from pathlib import Path

from ..errors import NotFound, UsageError, closest
from . import source_scan
from .known_names import (
    extra_of,
    family_sources,
    is_installed,
    is_word_of,
    names_of,
    near_specs,
    same_specs,
)
from .model_sources import SOURCES
from .pyproject import is_name

_OTHERS = (
    "your own, a class or a function that returns the model: cnnstat shapes my_model.py:Net, or "
    "package.module:Net"
)


def unknown_model(spec: str, same: Sequence[str]) -> UsageError:
    """The error for a name that no model has, or several: `same` are those."""
    several = [name.strip() for name in spec.split(",") if name.strip()]
    if len(several) > 1:
        return UsageError(
            f"{spec!r} is several models", "they are separated by spaces",
            hint=shlex.join(["cnnstat", "compare", *several]),
        )  # fmt: skip
    near = list(same) if len(same) > 1 else near_specs(spec)
    here = source_scan.specs_named(spec, Path()) if is_name(spec) else []
    found = [*here, *(s for s in near if s not in here)]
    missing = dict.fromkeys(
        source for s in found
        if (source := s.partition(":")[0]) in SOURCES and not is_installed(source)
    )  # fmt: skip
    details = [f"did you mean {', '.join(found)}?"] if found else []
    if missing:
        extras = " ".join(f"'{extra_of(source)}'" for source in missing)
        details.append(f"{' and '.join(missing)}: not installed; pip install {extras}")
    if "-" in spec and any(other.startswith("transformers:") for other in near):
        details.append(f"as a model of the hub, with hf download {spec} config.json")
    if len(same) > 1:
        message = f"{spec} is a model of several packages"
        return UsageError(message, *details, hint=shlex.join(["cnnstat", "shapes", found[0]]))
    is_part = is_name(spec) and any(is_word_of(spec, name) for name in near)
    word = f"cnnstat list {spec}" if is_part else "cnnstat list"
    return UsageError(f"unknown model {spec!r}", *details, _OTHERS, hint=word)


def unknown_in_source(source: str, name: str) -> UsageError:
    """The error for a name that the models of one source do not have."""
    near = near_specs(name, source)
    is_part = is_name(name) and any(is_word_of(name, spec) for spec in near)
    hint = f"cnnstat list {source}: {name}" if is_part else f"cnnstat list {source}:"
    details = [f"did you mean {', '.join(near)}?"] if near else []
    return UsageError(f"{source} has no model {name!r}", *details, hint=hint)


def unknown_source(place: str, name: str) -> NotFound:
    """The error for `place:name` where no source and no module is called `place`."""
    close = closest(place, SOURCES, cutoff=0.7)
    near = [
        f"{source}:{name}" for source in close
        if name in (known := names_of(source)) or not known  # none before its package is imported
    ]  # fmt: skip
    if not near:
        near = source_scan.specs_named(name, Path())
        near += near_specs(name) if same_specs(name) or family_sources(name) else []
    return NotFound(
        f"there is no module {place!r}, and no source of models {place}:",
        f"sources: {', '.join(f'{source}:' for source in SOURCES)}",
        *([f"did you mean {', '.join(near)}?"] if near else []),
        hint=shlex.join(["cnnstat", "shapes", near[0] if near else "my_model.py:Net"]),
    )


_OF_WEIGHTS = ("pretrained", "weights", "weights_backbone", "progress")


def with_arguments(spec: str) -> UsageError | None:
    """The error for `Net(num_classes=3)`: how arguments are given; None for another spec."""
    name, _, inside = spec.strip().partition("(")
    try:
        call = ast.parse(f"f({inside}", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    if not name or not isinstance(call, ast.Call) or not inside.endswith(")"):
        return None
    file, _, of_file = name.rpartition(":")
    parameters = source_scan.parameters_of(Path(file), of_file)
    named = [*zip(parameters, call.args, strict=False)]
    named += [(part.arg or "NAME", part.value) for part in call.keywords]
    named += [("NAME", value) for value in call.args[len(parameters) :]]
    words = [_argument(key, value) for key, value in named if key not in _OF_WEIGHTS]
    options = [part for word in words for part in ("--arg", word)]
    return UsageError(
        f"{spec} is a call: the arguments of a model are options",
        *(["no weights are read"] if len(words) < len(named) else []),
        hint=shlex.join(["cnnstat", "shapes", name, *options]),
    )


def _argument(name: str, value: ast.expr) -> str:
    """NAME=VALUE, as written if `--arg` reads it: a literal."""
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return f"{name}=VALUE"
    return f"{name}={ast.unparse(value)}"
