"""The user's `[tool.cnnstat]` in pyproject.toml: names for models, and modules that register some.

    [tool.cnnstat]
    import = ["my_package.models"]          # run for its @cnnstat.register

    [tool.cnnstat.models]
    mynet = "my_model.py:Net"
    wide = {spec = "my_model.py:Net", input = "1,3,32,32", arguments = {width = 64}}

The nearest pyproject.toml with such a table counts, from the working directory upward. Nothing here
imports torch, or runs a listed module.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..call_arguments import parse_shape
from ..errors import UsageError, nearest
from ..escaping import described, value_in_words
from ..input_files import read_bytes
from ..inputs import Argument
from .zoo.catalog import CATALOG

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class UserModel:
    """A user-defined name for a model.

    Attributes:
        model: a spec, or a class or function that returns the model.
        source: the spec or line of code, for listings.
        place: where the name is defined, for messages.
        inputs: default inputs.
        arguments: default arguments.
        folder: put on `sys.path` to import the module of a spec.
    """

    name: str
    model: str | Callable[..., Any]
    source: str
    place: str
    inputs: tuple[Argument, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    summary: str = ""
    folder: Path | None = None


@dataclass(frozen=True)
class Project:
    """The table `[tool.cnnstat]`; `folder` has its pyproject.toml, `place` names it in messages.

    `lint` is the table of that name as it is: `linting/settings.py` reads it.
    """

    folder: Path | None = None
    place: str = ""
    models: Mapping[str, UserModel] = field(default_factory=dict)
    imports: tuple[str, ...] = ()
    lint: Mapping[str, Any] = field(default_factory=dict)


def read_project() -> Project:
    """Read the `[tool.cnnstat]` for the working directory; an empty project if there is none.

    Raises:
        UsageError: the file is no TOML, or the table has an unknown key or an invalid value.
    """
    try:
        here = Path.cwd()
    except OSError:  # the directory was deleted
        return Project()
    for folder in (here, *here.parents):
        table = _table_of(folder / "pyproject.toml")
        if table is not None:
            return _project(folder, table)
    return Project()


def _table_of(file: Path) -> Any:
    try:
        content = read_bytes(file)
    except OSError:
        return None
    if b"cnnstat" not in content:  # most files: saves importing tomllib
        return None
    import tomllib

    try:
        tool = tomllib.loads(content.decode("utf-8-sig")).get("tool")
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, too many digits, too deep
        raise UsageError(f"{_shown(file)} is no TOML", str(error)) from error
    return tool.get("cnnstat") if isinstance(tool, dict) else None


def _project(folder: Path, table: Any) -> Project:
    place = f"{_shown(folder / 'pyproject.toml')}: tool.cnnstat"
    _check_keys(place, table, ("import", "lint", "models"))
    models = _checked(f"{place}.models", table.get("models", {}), dict, "a table")
    imports = _checked(f"{place}.import", table.get("import", []), list, "a list of modules")
    for entry in imports:
        _checked(f"{place}.import", entry, str, "a list of modules")
    return Project(
        folder,
        place,
        {name: _user_model(f"{place}.models.{name}", name, value, folder)
         for name, value in models.items()},
        tuple(_rooted(entry, folder) for entry in imports),
        _checked(f"{place}.lint", table.get("lint", {}), dict, "a table"),
    )  # fmt: skip


def _user_model(place: str, name: str, value: Any, folder: Path) -> UserModel:
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
    return UserModel(name, _rooted(spec, folder), spec, place, inputs, arguments, summary, folder)


def check_name(name: Any, place: str) -> None:
    """Raise UsageError unless the name is valid and no built-in network has it."""
    if not isinstance(name, str) or not is_name(name):
        raise UsageError(
            f"{place}: {value_in_words(name)} is no name for a model",
            "a name has letters, digits, _ and -, and starts with no digit",
        )
    if name in CATALOG:
        raise UsageError(f"{place}: {name} is a built-in network already", "choose another name")


def is_name(spec: str) -> bool:
    """Whether a spec is one word: not a file, and without a source's colon."""
    return _NAME.fullmatch(spec) is not None


def inputs_of(value: Any, place: str) -> tuple[Argument, ...]:
    """Parse a default input: a shape, a string as for `--input`, a list of these, or None.

    Raises:
        UsageError: it is none of these, or a size is malformed.
    """
    if value is None:
        return ()
    is_shape = isinstance(value, list | tuple) and all(type(size) is int for size in value)
    several = isinstance(value, list | tuple) and not is_shape
    try:
        inputs = tuple(parse_shape(part) for part in (value if several else [value]))
    except UsageError as error:
        message = error.message.removeprefix("--input ")
        raise UsageError(f"{place}: {message}", *error.details) from error
    for part in inputs:
        if not isinstance(part, Argument):
            raise UsageError(
                f"{place}: {value_in_words(part)} is no input",
                'a shape is, "1,3,224,224", or a list of them',
            )
    return inputs


def _check_keys(place: str, table: Any, known: Iterable[str]) -> None:
    for key in _checked(place, table, dict, "a table"):
        if key not in known:
            close = nearest(key, known) or f"known: {', '.join(known)}"
            raise UsageError(f"{place} has no key {key!r}", close)


def _checked(place: str, value: Any, type_: type, expected: str) -> Any:
    if not isinstance(value, type_):
        raise UsageError(f"{place} is {described(value)}", f"expected {expected}")
    return value


def _rooted(spec: str, folder: Path) -> str:
    """A spec whose files are relative to `folder`, with files relative to the working directory."""
    parts = spec.split(":")
    return ":".join(
        _shown(folder / part) if part.endswith(".py") or _is_file(folder / part) else part
        for part in parts
    )


def _is_file(path: Path) -> bool:
    return bool(path.suffix) and os.path.isfile(path)


def _shown(path: Path) -> str:
    return os.path.relpath(path)
