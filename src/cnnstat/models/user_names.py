"""User-defined names for models: in pyproject.toml, or in code with `@cnnstat.register`.

A name in code is known once its module has been imported. An unknown name imports the modules
listed in `[tool.cnnstat] import`. Importing this file imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ..errors import CnnstatError, UsageError
from .import_path import on_sys_path
from .pyproject import Project, UserModel, check_name, inputs_of, is_name, read_project
from .zoo.catalog import CATALOG

Factory = TypeVar("Factory", bound=Callable[..., Any])

_registered: dict[str, UserModel] = {}
_definitions: dict[str, set[tuple[str, str]]] = {}  # of each registered name
_imported: set[tuple[Path | None, str]] = set()


def registering(
    name: str,
    input: Any,
    arguments: Mapping[str, Any] | None,
    summary: str,
    file: str,
    line: int,
) -> Callable[[Factory], Factory]:
    """Create the decorator that registers a class or function under `name`.

    Args:
        input: a default input, see `inputs_of`.
        arguments: default arguments.
        summary: a description for listings.
        file, line: where `cnnstat.register` is called.
    """
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
        _registered[name] = UserModel(name, model, source, place, inputs, chosen, summary)
        _definitions[name] = definition
        return model

    return named


def _definition(model: Any, file: str, line: int) -> set[tuple[str, str]]:
    """Keys that recognise a definition when its code is executed again.

    A notebook cell runs again under another file name, a file under another module name: one of the
    two keys is the same.
    """
    name = getattr(model, "__qualname__", f"line {line}")
    return {(file, name), (getattr(model, "__module__", file), name)}


def find(name: str) -> UserModel | None:
    """The user-defined model of this name, or None.

    Raises:
        UsageError: pyproject.toml is invalid, or two models have the name.
        ModelError: a module listed in it cannot be imported.
    """
    if not is_name(name):
        return None
    project = read_project()  # also for a built-in name: redefining it in the file is an error
    if name in CATALOG:
        return None
    if name not in project.models and name not in _registered:
        _import_all(project)
    return _all_models(project).get(name)


def may_be_registered(name: str) -> bool:
    """Whether a module listed in pyproject.toml, not imported yet, may register the name.

    Raises:
        UsageError: pyproject.toml is invalid.
    """
    return is_name(name) and name not in CATALOG and bool(read_project().imports)


def import_listed() -> None:
    """Import the modules listed in pyproject.toml, for the rules that they register.

    Raises:
        UsageError: pyproject.toml is invalid.
        ModelError: a module listed in it cannot be imported.
    """
    _import_all(read_project())


def all_user_models() -> dict[str, UserModel]:
    """All user-defined models by name; imports the modules listed in pyproject.toml.

    Raises:
        UsageError, ModelError: as `find`.
    """
    project = read_project()
    _import_all(project)
    return _all_models(project)


def known_names() -> list[str]:
    """The names known without importing anything; never raises, since completion calls it."""
    try:
        return [*read_project().models, *_registered]
    except CnnstatError:
        return list(_registered)


def _all_models(project: Project) -> dict[str, UserModel]:
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
        from .python_import import import_place  # brings torch

        _imported.add(key)  # first: the module may load a model by name itself
        try:
            with on_sys_path(project.folder):
                import_place(place)
        except BaseException as error:  # raised again
            _imported.discard(key)
            if isinstance(error, CnnstatError):
                error.details = (*error.details, f"it is listed in {project.place}.import")
            raise


@contextmanager
def registrations_restored() -> Iterator[None]:
    """Undo on exit what code registers meanwhile."""
    models, definitions = dict(_registered), {n: set(d) for n, d in _definitions.items()}
    try:
        yield
    finally:
        _registered.clear()
        _registered.update(models)
        _definitions.clear()
        _definitions.update(definitions)
