"""Load models from the user's Python code: `my_model.py:Net`, `package.module:build`.

The file is imported, which runs it: the user named it. No other file is run.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from ..errors import (
    NOT_OF_THE_MODEL,
    CnnstatError,
    ModelError,
    UsageError,
    closest,
    message_of,
    nearest,
)
from ..fast_meta import import_rules
from ..inputs import CallArguments, InputFunction
from ..tracing.accelerators import on_lane_device
from ..tracing.compilation import user_code
from ..tracing.copies import meta_copy
from ..tracing.global_state import preserve_rng_state
from ..tracing.lane_selection import Builders
from ..tracing.module_tree import check_tree
from ..tracing.places import marked_line, shown_path
from . import torchvision_import as vision_operators
from .construction import builders, construct, construction_error, copies_of
from .file_import import arguments_of_script, as_script, import_file
from .loaded import Loaded
from .model_inputs import arguments_from, default_inputs
from .model_sources import SOURCES
from .suggestions import missing_comma, suggestions
from .user_names import on_sys_path


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
    return replace(model, written=written, devices=tuple(devices))


def _load(
    module: ModuleType, spec: str, place: str, name: str, inputs: Sequence[Any],
    named: Mapping[str, Any], arguments: Mapping[str, Any],
) -> Loaded:  # fmt: skip
    if not name:
        models = _models_in(module)
        defined = f"it defines {', '.join(models)}" if models else "it defines no model"
        raise UsageError(
            f"{spec} names a file, not a model", defined,
            hint=f"{spec}:{models[0] if models else 'Net'}",
        )  # fmt: skip
    if not hasattr(module, name):
        known = [n for n, value in vars(module).items() if _is_model_like(value)]
        close = nearest(name, known) or (f"it has {', '.join(known)}" if known else "")
        raise ModelError(f"{place} has no {name!r}", *filter(None, [close]))
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
    keywords = dict(named_inputs)
    if not inputs and not keywords:
        default = default_inputs(spec, model, example)
        inputs, keywords = default.positional, default.named
    return Loaded(spec, "python", model, build, tuple(inputs), keywords, dict(arguments))


_with_functions: dict[Path, ModuleType] = {}
"""Files just imported for a function. A second import, for the model of the same file, would make
other classes than those of the inputs."""


def call_input_functions(
    inputs: Sequence[Any], named: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The inputs, with what each `InputFunction` among them returns in its place.

    Raises:
        ModelError: a file cannot be imported, lacks the function, or the function fails.
        UsageError: what it returns is malformed.
    """
    found = CallArguments(named=dict(named))
    for value in inputs:
        if isinstance(value, InputFunction):
            returned = _returned_by(value)
            found.positional += returned.positional
            found.named = returned.named | found.named
        else:
            found.positional.append(value)
    return tuple(found.positional), found.named


def _returned_by(function: InputFunction) -> CallArguments:
    place, name = function.place, function.function
    with user_code():
        module = import_place(place, name)
    if place.endswith(".py"):
        _with_functions[Path(place).resolve()] = module
    make = getattr(module, name, None)
    if not callable(make):
        known = [n for n, v in vars(module).items() if inspect.isfunction(v)]
        close = nearest(name, known)
        raise ModelError(f"{place} has no function {name!r}", *filter(None, [close]))
    try:
        with user_code(), arguments_of_script(place):
            value = make()
    except NOT_OF_THE_MODEL:
        raise
    except BaseException as error:  # the user's code may raise anything
        raise ModelError(f"{place}:{name} returns no inputs", *_reason(error, place)) from error
    return arguments_from(value)


def import_place(place: str, name: str = "") -> ModuleType:
    """Import a file or a module; `name` is the requested object in it, for messages.

    Raises:
        ModelError: it cannot be imported.
    """
    with suppress(Exception):  # the file may not use torchvision; if it does, its import fails
        vision_operators.make_importable()
    try:
        try:
            module = _imported(place)
        except NotImplementedError:  # by torch, perhaps for a rule whose import was postponed
            if not import_rules():
                raise
            module = _imported(place)
        vision_operators.make_traceable()
        return module
    except (CnnstatError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        marked = (
            [error.text.rstrip("\n"), " " * ((error.offset or 1) - 1) + "^"] if error.text else []
        )
        comma = missing_comma(error)
        raise ModelError(
            f"{_syntax_place(error, place)}{error.msg}",
            *marked,
            *filter(None, [comma]),
        ) from error
    except BaseException as error:  # a file may do anything, sys.exit() included
        details = [*_reason(error, place), *_misspelt_source(error, place, name)]
        if isinstance(error, SystemExit) and _parses_arguments(error):
            details.append("it parses the command line, which has no arguments for it here: do "
                           'that under if __name__ == "__main__"')  # fmt: skip
        raise ModelError(f"{place} cannot be imported", *details) from error


def _syntax_place(error: SyntaxError, place: str) -> str:
    """The file and line; neither is known of a file with null bytes."""
    if error.filename is None:
        return f"{place}: "
    return f"{shown_path(error.filename)}:{error.lineno}: "


def _imported(place: str) -> ModuleType:
    limit, functions = sys.getrecursionlimit(), dict(vars(builtins))
    try:
        with preserve_rng_state(), arguments_of_script(place):
            return _import(place)
    finally:  # these end code of cnnstat and of torch, not only the model's
        vars(builtins).update(functions)
        sys.setrecursionlimit(max(limit, sys.getrecursionlimit()))


def _import(place: str) -> ModuleType:
    if place.endswith(".py"):
        known = _with_functions.pop(Path(place).resolve(), None)
        return import_file(Path(place)) if known is None else known
    with on_sys_path(""):
        return importlib.import_module(place)


def _parses_arguments(error: BaseException) -> bool:
    return any(
        Path(frame.filename).name == "argparse.py"
        for frame in traceback.extract_tb(error.__traceback__)
    )


def _misspelt_source(error: BaseException, place: str, name: str) -> list[str]:
    """The hint for `torchvison:resnet50`: no such module, but a source with a close name."""
    if not isinstance(error, ModuleNotFoundError) or error.name != place:
        return []
    return [f"did you mean {source}:{name}?" for source in closest(place, SOURCES, cutoff=0.6)[:1]]


def _reason(error: BaseException, place: str) -> list[str]:
    """The exception, and the innermost line of the user's code that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    of_user = [frame for frame in frames if Path(frame.filename).name == Path(place).name]
    if not of_user:  # a module by name, or code that it imports
        of_user = [
            f for f in frames if "importlib" not in f.filename and "cnnstat" not in f.filename
        ]
    reason = ": ".join(filter(None, [type(error).__name__, message_of(error)]))
    if not of_user:
        return [reason, *suggestions(error, None)]
    return [*marked_line(of_user[-1]), reason, *suggestions(error, of_user[-1].filename)]


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
        failed = construction_error(spec, arguments, *_reason(error, file))
        failed.phase = "construction"
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
