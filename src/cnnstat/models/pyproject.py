"""The user's `[tool.cnnstat]` in pyproject.toml: names for models, and modules that register some.

    [tool.cnnstat]
    import = ["my_package.models"]          # run for its @cnnstat.register

    [tool.cnnstat.models]
    mynet = "my_model.py:Net"
    wide = {spec = "my_model.py:Net", input = "1,3,32,32", arguments = {width = 64}}

It is the nearest pyproject.toml with such a table, from the working directory upward. Nothing here
imports torch, or runs what is named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError, nearest
from ..inputs import InputSpec, as_input
from .zoo.catalog import CATALOG

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Own:
    """A model under a name that the user gave it.

    `model` is a spec, or what makes the model when it is called. `source` is what a listing shows
    of it, `place` where the name was given. `inputs` and `arguments` hold unless others are given.
    Modules that a spec names are also looked for in `folder`.
    """

    name: str
    model: str | Callable[..., Any]
    source: str
    place: str
    inputs: tuple[InputSpec, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    summary: str = ""
    folder: Path | None = None


@dataclass(frozen=True)
class Project:
    """What `[tool.cnnstat]` says; `folder` is where its pyproject.toml stands, `place` names it."""

    folder: Path | None = None
    place: str = ""
    models: Mapping[str, Own] = field(default_factory=dict)
    imports: tuple[str, ...] = ()


def read_project() -> Project:
    """Read the `[tool.cnnstat]` that holds in the working directory; empty where there is none.

    Raises:
        UsageError: the file is no TOML, or the table has a key or value that means nothing.
    """
    try:
        here = Path.cwd()
    except OSError:  # the directory is gone
        return Project()
    for folder in (here, *here.parents):
        table = _table_of(folder / "pyproject.toml")
        if table is not None:
            return _project(folder, table)
    return Project()


def _table_of(file: Path) -> Any:
    try:
        content = file.read_bytes()
    except OSError:
        return None
    if b"cnnstat" not in content:  # spares the import of tomllib
        return None
    import tomllib

    try:
        tool = tomllib.loads(content.decode()).get("tool")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{_shown(file)} is no TOML", str(error)) from error
    return tool.get("cnnstat") if isinstance(tool, dict) else None


def _project(folder: Path, table: Any) -> Project:
    place = f"{_shown(folder / 'pyproject.toml')}: tool.cnnstat"
    _check_keys(place, table, ("import", "models"))
    models = _checked(f"{place}.models", table.get("models", {}), dict, "a table")
    imports = _checked(f"{place}.import", table.get("import", []), list, "a list of modules")
    for entry in imports:
        _checked(f"{place}.import", entry, str, "a list of modules")
    return Project(
        folder,
        place,
        {name: _own(f"{place}.models.{name}", name, value, folder)
         for name, value in models.items()},
        tuple(_rooted(entry, folder) for entry in imports),
    )  # fmt: skip


def _own(place: str, name: str, value: Any, folder: Path) -> Own:
    check_name(name, place)
    if isinstance(value, str):
        value = {"spec": value}
    _checked(place, value, dict, 'a spec such as "my_model.py:Net", or a table')
    _check_keys(place, value, ("spec", "input", "arguments", "summary"))
    if not value.get("spec"):
        raise UsageError(f"{place} has no spec", hint='spec = "my_model.py:Net"')
    spec = _checked(f"{place}.spec", value["spec"], str, "a text")
    arguments = _checked(f"{place}.arguments", value.get("arguments", {}), dict, "a table")
    summary = _checked(f"{place}.summary", value.get("summary", ""), str, "a text")
    inputs = inputs_of(value.get("input"), f"{place}.input")
    return Own(name, _rooted(spec, folder), spec, place, inputs, arguments, summary, folder)


def check_name(name: Any, place: str) -> None:
    """Raise UsageError unless a model may have this name."""
    if not isinstance(name, str) or not is_name(name):
        raise UsageError(
            f"{place}: {name!r} is no name for a model",
            "a name has letters, digits, _ and -, and starts with no digit",
        )
    if name in CATALOG:
        raise UsageError(f"{place}: {name} is a built-in network already", "choose another name")


def is_name(spec: str) -> bool:
    """Whether a spec is one word, as names are: no file, no source with a colon."""
    return _NAME.fullmatch(spec) is not None


def inputs_of(value: Any, place: str) -> tuple[InputSpec, ...]:
    """The default input: a shape, a text as for `--input`, or a list of these; None is none.

    Raises:
        UsageError: it is none of these, or a size is malformed.
    """
    if value is None:
        return ()
    is_shape = isinstance(value, list | tuple) and all(type(size) is int for size in value)
    several = isinstance(value, list | tuple) and not is_shape
    try:
        inputs = tuple(as_input(part) for part in (value if several else [value]))
    except UsageError as error:
        message = error.message.removeprefix("--input ")
        raise UsageError(f"{place}: {message}", *error.details) from error
    for part in inputs:
        if not isinstance(part, InputSpec):
            raise UsageError(
                f"{place}: {part!r} is no input", 'a shape is, "1,3,224,224", or a list of them'
            )
    return inputs


def _check_keys(place: str, table: Any, known: Iterable[str]) -> None:
    for key in _checked(place, table, dict, "a table"):
        if key not in known:
            close = nearest(key, known) or f"known: {', '.join(known)}"
            raise UsageError(f"{place} has no key {key!r}", close)


def _checked(place: str, value: Any, wanted: type, expected: str) -> Any:
    if not isinstance(value, wanted):
        raise UsageError(f"{place} is {value!r}", f"expected {expected}")
    return value


def _rooted(spec: str, folder: Path) -> str:
    """The spec with the files in it, which are relative to `folder`, relative to where we are."""
    parts = spec.split(":")
    return ":".join(
        _shown(folder / part) if part.endswith(".py") or _is_file(folder / part) else part
        for part in parts
    )


def _is_file(path: Path) -> bool:
    return bool(path.suffix) and path.is_file()


def _shown(path: Path) -> str:
    return os.path.relpath(path)
