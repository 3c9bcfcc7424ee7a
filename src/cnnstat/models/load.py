"""spec → model, by the kind of spec: built-in, user-defined, package, file or Python object."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..call_arguments import CallArguments
from ..errors import CnnstatError, ModelError, UsageError
from ..tracing.user_code.compilation import user_code
from . import files
from . import python_files as python
from .import_path import on_sys_path
from .input_functions import call_input_functions
from .loaded import Loaded, Recorded
from .model_sources import Loader, source_of
from .pyproject import UserModel
from .spec_resolution import resolve
from .user_names import find, import_listed
from .zoo.catalog import CATALOG


def load(
    spec: str,
    inputs: Sequence[Any] = (),
    named_inputs: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Loaded | Recorded:
    """Build the model that `spec` names, or trace the graph of an ONNX file.

    A spec of one word is a built-in network or a user-defined name; what else it may be, and what
    others mean, `spec_resolution` decides. Without inputs, the default
    inputs of the name or of the source are used. In the zoo, the channels of the input decide
    `in_channels` unless it is among the arguments.

    Raises:
        UsageError: there is no such model, or it has no such argument.
        ModelError: it cannot be built, the input has the wrong number of dimensions, or a module
            listed in pyproject.toml cannot be imported.
    """
    named, chosen = dict(named_inputs or {}), dict(arguments or {})
    user_model = find(spec)
    if user_model is not None:
        return _load_user_model(user_model, inputs, named, chosen)
    meant, note = resolve(spec)
    loaded = _load(meant, inputs, named, chosen)
    if note and isinstance(loaded, Loaded):
        return replace(loaded, notes=(note, *loaded.notes))
    return loaded


def _load(
    spec: str, inputs: Sequence[Any], named: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Loaded | Recorded:
    if spec not in CATALOG:  # those have no operators or modules of the user
        import_listed()
    return _loader(spec)(spec, inputs, named, arguments)


def _loader(spec: str) -> Loader:
    """The loader for this kind of spec; no other one is imported."""
    if spec in CATALOG:
        from .built_in import load

        return load
    source = source_of(spec)
    if source is not None:
        return source.load
    if files.is_graph(spec):
        return files.load
    if python.is_python(spec):
        return python.load
    raise UsageError(f"unknown model {spec!r}", hint="cnnstat list")


def _load_user_model(
    user_model: UserModel,
    inputs: Sequence[Any],
    named: dict[str, Any],
    arguments: dict[str, Any],
) -> Loaded | Recorded:
    """Load a user-defined name; its inputs and arguments are the defaults."""
    name, model = user_model.name, user_model.model
    chosen = {**user_model.arguments, **arguments}
    if not inputs and not named:
        default = CallArguments()
        for argument in user_model.inputs:
            default.add(argument)
        inputs, named = call_input_functions(default.positional, default.named)
    try:
        if isinstance(model, str):
            with on_sys_path(user_model.folder):
                meant = resolve(model).spec
                return replace(_load(meant, inputs, named, chosen), spec=name)
        example = getattr(sys.modules.get(model.__module__), "example_input", None)
        file = user_model.source.rpartition(":")[0]
        with user_code() as devices:
            loaded = python.loaded(name, model, example, inputs, named, chosen, file)
        return replace(loaded, devices=devices)
    except CnnstatError as error:
        place = f"{name} is named in {user_model.place}"
        error.details = (*error.details, place)
        if isinstance(error, ModelError):
            error.context = (*error.context, place)
        raise
