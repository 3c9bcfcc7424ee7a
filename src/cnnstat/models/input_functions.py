"""Inputs that a function of the user returns: `--input my_model.py:make_input`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from ..call_arguments import CallArguments
from ..errors import NOT_OF_THE_MODEL, ModelError, NotFound, nearest
from ..inputs import InputFunction
from ..tracing.user_code.compilation import user_code
from .model_inputs import arguments_from
from .python_import import arguments_of_script, import_once, import_place, reason_of


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
        import_once(place, module)
    make = getattr(module, name, None)
    if not callable(make):
        known = [n for n, v in vars(module).items() if inspect.isfunction(v)]
        close = nearest(name, known)
        raise NotFound(f"{place} has no function {name!r}", *filter(None, [close]))
    try:
        with user_code(), arguments_of_script(place):
            value = make()
    except NOT_OF_THE_MODEL:
        raise
    except BaseException as error:  # the user's code may raise anything
        reason, advice = reason_of(error, place)
        raise ModelError(f"{place}:{name} returns no inputs", *reason, *advice) from error
    return arguments_from(value)
