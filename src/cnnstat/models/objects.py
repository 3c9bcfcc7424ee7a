"""Models as Python objects: an `nn.Module`, or a class or function that makes one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..errors import InputMissing, UsageError
from ..results import Result
from ..tracing.run.copies import meta_copy
from ..tracing.structure.module_tree import check_tree
from ..tracing.structure.modules import class_name
from ..tracing.user_code.compilation import inside_wrappers, module_in, user_code
from . import python_files
from .construction import copies_of
from .loaded import Loaded
from .model_inputs import implied_input, known_inputs


def load_object(
    model: Any,
    inputs: Sequence[Any],
    named: Mapping[str, Any],
    arguments: Mapping[str, Any] | None,
    call: str,
) -> Loaded:
    """Copy a module to `meta`, or build there what a class or function makes.

    `call` is the call to suggest where an input is missing; `{}` is its shape.

    Raises:
        UsageError: it is no model, or its class needs arguments; InputMissing.
        ModelError: it cannot be built.
    """
    if not isinstance(model, nn.Module):
        if not callable(model) or isinstance(model, Tensor):
            raise _no_model(model)
        return _built(model, inputs, named, dict(arguments or {}), call)
    model = module_in(model)
    if arguments:
        raise UsageError("arguments are for a model named by a spec; this one is built already")
    check_tree(model)
    inner = inside_wrappers(model)
    name = class_name(inner)
    if not inputs and not named:
        example = known_inputs(inner)
        if example is None:
            missing = InputMissing(
                f"{name} needs an input", hint=call.format(implied_input(inner).shape)
            )
            missing.loaded = Loaded(name, "object", meta_copy(model), copies_of(model), ())
            raise missing
        inputs, named = example.positional, example.named
    return Loaded(name, "object", meta_copy(model), copies_of(model), tuple(inputs), dict(named))


def _built(
    factory: Any,
    inputs: Sequence[Any],
    named: Mapping[str, Any],
    arguments: Mapping[str, Any],
    call: str,
) -> Loaded:
    name = getattr(factory, "__name__", type(factory).__name__)
    if isinstance(factory, type) and not issubclass(factory, nn.Module):
        raise UsageError(f"{name} is a class, and no nn.Module")
    _check_arguments(name, factory, arguments, call)
    try:
        with user_code():
            return python_files.loaded(name, factory, None, inputs, named, arguments)
    except InputMissing as missing:
        if missing.loaded is not None:
            missing.details = ()
            missing.hint = call.format(implied_input(missing.loaded.model).shape)
        raise


def _check_arguments(name: str, factory: Any, arguments: Mapping[str, Any], call: str) -> None:
    """Raise UsageError for a class or function that needs arguments, or has none of a name."""
    kind = "class" if isinstance(factory, type) else "function"
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # builtins may have no signature
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        object_call = call.replace("model", f"{name}(…)", 1).format("…")
        raise UsageError(
            f"{name} is a {kind}, and cannot be called to make the model: {error}",
            f"it takes {signature}".replace(" -> None", ""),
            hint=object_call,
        ) from error


def _no_model(value: Any) -> UsageError:
    kind = type(value).__name__
    if isinstance(value, Result):
        return UsageError(
            f"this is a result of the kind {value.kind}, not a model",
            "it shows itself", hint=".show(), .to_dict(), .save('run.json')",
        )  # fmt: skip
    if isinstance(value, Mapping) and any(isinstance(part, Tensor) for part in value.values()):
        return UsageError(
            f"these are weights, a {kind}, not a model: they have no layers",
            hint="model.load_state_dict(weights), and then the model",
        )
    return UsageError(f"a {kind} is neither a name nor an nn.Module")
