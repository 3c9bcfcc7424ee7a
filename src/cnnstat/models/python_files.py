"""Load models from the user's Python code: `my_model.py:Net`, `package.module:build`.

The file is imported, which runs it: the user named it. No other file is run.
"""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from ..errors import (
    NOT_OF_THE_MODEL,
    InputMissing,
    ModelError,
    NotFound,
    UsageError,
    closest,
    nearest,
)
from ..tracing.run.copies import meta_copy
from ..tracing.run.lane_selection import Builders
from ..tracing.structure.module_tree import check_tree
from ..tracing.user_code.accelerators import on_lane_device
from ..tracing.user_code.compilation import user_code
from .construction import builders, construct, construction_error, copies_of
from .loaded import Loaded
from .model_inputs import default_inputs
from .python_import import as_script, import_place, reason_of
from .source_scan import models_of


def is_python(spec: str) -> bool:
    """Whether a spec names an object in a Python file or module."""
    return ":" in spec or spec.endswith(".py")


def load(
    spec: str, inputs: Sequence[Any], named: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Loaded:
    """Build the model that `FILE.py:NAME` or `package.module:NAME` names, on `meta`.

    NAME is a class, a function that returns a model, or a model. The default inputs are the
    module's `example_input`, or inferred from the first layer.

    Raises:
        UsageError: the spec names no object, an argument does not exist, or there is no input and
            no default.
        ModelError: the file cannot be imported, lacks the name, or the model cannot be built.
    """
    place, _, name = spec.rpartition(":") if ":" in spec else (spec, "", "")
    # A module by name stays imported: in a process that trains it later, it is to be compiled.
    with on_lane_device() as devices:
        with user_code() if place.endswith(".py") else nullcontext():
            module = import_place(place, name)
        with user_code():
            model = _load(module, spec, place, name, inputs, named, arguments)
    is_member = place.endswith(".py") and "." in module.__name__  # of a package, and imported so
    written = f"{module.__name__}:{name}" if is_member else spec
    return replace(model, written=written, devices=devices)


def _load(
    module: ModuleType, spec: str, place: str, name: str, inputs: Sequence[Any],
    named: Mapping[str, Any], arguments: Mapping[str, Any],
) -> Loaded:  # fmt: skip
    if not name:
        models = _models_in(module)
        order = {name: place for place, name in enumerate(models_of(Path(spec)))}
        models.sort(key=lambda model: order.get(model, len(order)))  # those that use others first
        defined = f"it defines {', '.join(models)}" if models else "it defines no model"
        raise UsageError(
            f"{spec} names a file, not a model", defined,
            hint=shlex.join(["cnnstat", "shapes", f"{spec}:{models[0] if models else 'Net'}"]),
        )  # fmt: skip
    if not hasattr(module, name):
        known = [n for n, value in vars(module).items() if _is_model_like(value)]
        has = f"it has {', '.join(known)}" if known else "it defines no class and no function"
        close = nearest(name, known) or has
        best = [*closest(name, known), *known][:1]
        hint = shlex.join(["cnnstat", "shapes", f"{place}:{best[0]}"]) if best else None
        raise NotFound(f"{place} has no {name!r}", close, hint=hint)
    example = getattr(module, "example_input", None)
    return loaded(spec, getattr(module, name), example, inputs, named, arguments)


def loaded(
    spec: str,
    named: Any,
    example: Any,
    inputs: Sequence[Any],
    named_inputs: Mapping[str, Any],
    arguments: Mapping[str, Any],
    file: str = "",
) -> Loaded:
    """Build a model from a class, a function or a model.

    Args:
        spec: its name in messages and results.
        named: the class, the function that returns a model, or the model.
        example: the `example_input` of its file, see `known_inputs`.
        file: the file of `named` if the spec does not contain it, for messages.

    Raises:
        UsageError, ModelError: as `load`.
    """
    model, build = _make(spec, named, arguments, file or spec.rpartition(":")[0])
    loaded = Loaded(
        spec, "python", model, build, tuple(inputs), dict(named_inputs), dict(arguments)
    )
    if loaded.inputs or loaded.named_inputs:
        return loaded
    try:
        default = default_inputs(spec, model, example)
    except InputMissing as missing:
        missing.loaded = loaded
        raise
    return replace(loaded, inputs=tuple(default.positional), named_inputs=default.named)


def _models_in(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, nn.Module)
        or (isinstance(value, type) and issubclass(value, nn.Module)
            and value.__module__ == module.__name__)
    ]  # fmt: skip


def _is_model_like(value: Any) -> bool:
    return callable(value) or isinstance(value, nn.Module)


def _make(
    spec: str, named: Any, arguments: Mapping[str, Any], file: str
) -> tuple[nn.Module, Builders]:
    if isinstance(named, nn.Module):
        if arguments:
            raise UsageError(f"{spec} is a model already: it takes no --arg")
        check_tree(named)
        return meta_copy(named), copies_of(named)
    if not callable(named):
        raise ModelError(f"{spec} is {type(named).__name__}, neither a model nor what makes one")
    _check_arguments(spec, named, arguments)
    named = as_script(named, file)
    try:
        model = construct(named, arguments)
    except (ModelError, *NOT_OF_THE_MODEL):
        raise
    except BaseException as error:  # the user's code may raise anything
        reason, advice = reason_of(error, file)
        failed = construction_error(spec, arguments, *reason, *advice)
        failed.phase, failed.advice = "construction", tuple(advice)
        raise failed from error
    if not isinstance(model, nn.Module):
        raise ModelError(f"{spec} returns {type(model).__name__}, no nn.Module")
    return model, builders(named, arguments)


def _check_arguments(spec: str, factory: Any, arguments: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # builtins may have no signature
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        accepted = f"it takes {signature}".replace(" -> None", "")
        missing = "missing" in str(error)
        raise UsageError(
            f"{spec}: {error}", accepted, hint="--arg NAME=VALUE for each" if missing else None
        ) from error
