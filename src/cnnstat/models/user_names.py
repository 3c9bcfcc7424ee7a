"""Names that the user gives to models: in pyproject.toml, or in code by `@cnnstat.register`.

A name in code is known once its module has been imported. Where a name is asked for that nobody
has given yet, the modules that `[tool.cnnstat] import` lists are imported. Importing this file
imports no torch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ..errors import CnnstatError, UsageError
from .pyproject import Own, Project, check_name, inputs_of, is_name, read_project
from .zoo.catalog import CATALOG

Factory = TypeVar("Factory", bound=Callable[..., Any])

_registered: dict[str, Own] = {}
_definitions: dict[str, set[tuple[str, str]]] = {}  # what makes a registered model, by its name
_imported: set[tuple[Path | None, str]] = set()


def registering(
    name: str,
    input: Any,
    arguments: Mapping[str, Any] | None,
    summary: str,
    file: str,
    line: int,
) -> Callable[[Factory], Factory]:
    """The decorator that names what it decorates, in this line of this file."""
    place = f"{file}:{line}: cnnstat.register"
    check_name(name, place)
    inputs = inputs_of(input, f"{place}: input")

    def named(model: Factory) -> Factory:
        if not callable(model):
            raise UsageError(f"{place}: {model!r} is neither a class nor a function")
        definition = _definition(model, file, line)
        if name in _registered and not definition & _definitions[name]:
            raise UsageError(f"{place}: the name {name} is taken", f"by {_registered[name].place}")
        source = f"{Path(file).name}:{line}"
        chosen = dict(arguments or {})
        _registered[name] = Own(name, model, source, place, inputs, chosen, summary)
        _definitions[name] = definition
        return model

    return named


def _definition(model: Any, file: str, line: int) -> set[tuple[str, str]]:
    """What a definition is known by when it is executed again.

    A notebook's cell runs again as another file, a file as another module.
    """
    name = getattr(model, "__qualname__", f"line {line}")
    return {(file, name), (getattr(model, "__module__", file), name)}


def find(name: str) -> Own | None:
    """The model that the user gave this name, None if there is none.

    Raises:
        UsageError: pyproject.toml cannot be understood, or two models have the name.
        ModelError: a module that it lists cannot be imported.
    """
    if not is_name(name):
        return None
    project = read_project()  # also for a built-in name: the file may not give it another meaning
    if name in CATALOG:
        return None
    if name not in project.models and name not in _registered:
        _import_all(project)
    return _joined(project).get(name)


def all_own() -> dict[str, Own]:
    """All names that the user gave; imports what pyproject.toml lists. Raises what `find` does."""
    project = read_project()
    _import_all(project)
    return _joined(project)


def known_names() -> list[str]:
    """The names known without importing anything; never fails, since completion asks."""
    try:
        return [*read_project().models, *_registered]
    except CnnstatError:
        return list(_registered)


def _joined(project: Project) -> dict[str, Own]:
    for name in project.models:
        if name in _registered:
            raise UsageError(
                f"{project.models[name].place}: the name {name} is taken",
                f"by {_registered[name].place}",
            )
    return {**project.models, **_registered}


def _import_all(project: Project) -> None:
    for place in project.imports:
        key = (project.folder, place)
        if key in _imported:
            continue
        from .python_files import import_place  # brings torch

        _imported.add(key)  # first: the module may itself ask for a name
        try:
            with beside(project.folder):
                import_place(place)
        except BaseException as error:
            _imported.discard(key)
            if isinstance(error, CnnstatError):
                error.details = (*error.details, f"it is listed in {project.place}.import")
            raise


@contextmanager
def beside(folder: Path | None) -> Iterator[None]:
    """Modules in `folder`, where the pyproject.toml stands, can be imported inside."""
    if folder is None:
        yield
        return
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


@contextmanager
def registered_kept() -> Iterator[None]:
    """What code registers inside is forgotten again."""
    models, definitions = dict(_registered), {n: set(d) for n, d in _definitions.items()}
    try:
        yield
    finally:
        _registered.clear()
        _registered.update(models)
        _definitions.clear()
        _definitions.update(definitions)
