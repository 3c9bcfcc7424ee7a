"""Calls of public functions and methods from Python: their arguments are checked, and the errors
that leave them name arguments instead of options.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, wraps
from importlib import import_module
from inspect import BoundArguments, Parameter, Signature
from typing import Any, TypeVar

from .argument_types import EXAMPLES, checked, evaluated
from .errors import CnnstatError, UsageError, closest
from .escaping import value_in_words
from .other_tools import ARGUMENTS
from .python_wording import SHOWN, Call, in_python, text_in_python

F = TypeVar("F", bound=Callable[..., Any])

_on_command_line: ContextVar[bool] = ContextVar("on_command_line", default=False)
_PUBLIC: dict[str, Public] = {}
"""The public functions that were defined so far, by name."""


@dataclass(frozen=True)
class Public:
    """A public function or method.

    `example` is a call of it, without `cnnstat.`; `settings` the record whose fields it takes as
    further arguments, as `module:class`.
    """

    function: Callable[..., Any]
    example: str
    settings: str | None = None

    @property
    def name(self) -> str:
        return self.function.__name__

    @cached_property
    def signature(self) -> Signature:
        return inspect.signature(self.function)

    @cached_property
    def types(self) -> dict[str, Any]:
        """The types of the parameters, without those that take several arguments."""
        names = self.function.__globals__
        return {
            parameter.name: evaluated(parameter.annotation, names)
            for parameter in self.signature.parameters.values()
            if parameter.kind not in _SEVERAL and parameter.name != "self"
        }

    @cached_property
    def settings_types(self) -> dict[str, Any]:
        """The types of the further arguments."""
        if self.settings is None:
            return {}
        place, _, name = self.settings.partition(":")
        module = import_module(f"{__package__}.{place}")
        annotations = getattr(module, name).__annotations__
        return {key: evaluated(value, vars(module)) for key, value in annotations.items()}

    @property
    def known(self) -> list[str]:
        """The names of all arguments that it takes."""
        return list(dict.fromkeys([*self.types, *self.settings_types]))

    @property
    def has_inputs(self) -> bool:
        return "named_inputs" in self.signature.parameters and "inputs" not in self.types

    @property
    def hint(self) -> str:
        is_method = "self" in self.signature.parameters
        return self.example if is_method else f"cnnstat.{self.example}"


_SEVERAL = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


@contextmanager
def command_line() -> Iterator[None]:
    """Inside, errors name options, as they are typed on the command line."""
    token = _on_command_line.set(True)
    try:
        yield
    finally:
        _on_command_line.reset(token)


_in_python: ContextVar[bool] = ContextVar("in_python", default=False)


@contextmanager
def shown_in_python() -> Iterator[None]:
    """Inside, reports name arguments, unless a command shows them."""
    token = _in_python.set(not _on_command_line.get())
    try:
        yield
    finally:
        _in_python.reset(token)


def is_shown_in_python() -> bool:
    return _in_python.get()


def python_text(text: str) -> str:
    """A text of a report with arguments of Python instead of options."""
    if "--" not in text and "cnnstat " not in text:
        return text
    types = {name: t for public in _PUBLIC.values()
             for name, t in (*public.types.items(), *public.settings_types.items())}  # fmt: skip
    return text_in_python(text, Call("", "", types, True))


def public(example: str, settings: str | None = None) -> Callable[[F], F]:
    """Decorate a public function or method, see `Public`.

    The decorated function raises UsageError for an argument that is unknown, missing or of another
    type than its annotation.
    """

    def decorate(function: F) -> F:
        described = Public(function, example, settings)
        if "self" not in described.signature.parameters:
            _PUBLIC[described.name] = described

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                bound = _checked(described, args, kwargs)
                with shown_in_python():
                    return function(*bound.args, **bound.kwargs)
            except CnnstatError as error:
                if not _on_command_line.get() and not error.in_python:
                    error.in_python = True
                    types = {**described.types, **described.settings_types}
                    in_python(error, Call(described.name, example, types, described.has_inputs))
                raise

        return call  # type: ignore[return-value]  # of the same signature

    return decorate


def _checked(called: Public, positional: Sequence[Any], named: Mapping[str, Any]) -> BoundArguments:
    try:
        bound = called.signature.bind(*positional, **named)
    except TypeError as error:
        raise _misuse(called, positional, named, error) from None
    for name, value in bound.arguments.items():
        if name in called.types:
            bound.arguments[name] = checked(name, value, called.types[name])
    if "model" in bound.arguments:
        bound.arguments["model"] = str_of_path(bound.arguments["model"])
    if "models" in bound.arguments:
        bound.arguments["models"] = tuple(map(str_of_path, bound.arguments["models"]))
    further = bound.arguments.get("settings", {})
    for name, value in further.items():
        if name not in called.settings_types:
            raise _unknown(called, name)
        if value is not None:
            further[name] = checked(name, value, called.settings_types[name])
    return bound


def str_of_path(model: Any) -> Any:
    """A model that is named by a path, as a text."""
    return os.fspath(model) if isinstance(model, os.PathLike) else model


def _misuse(
    called: Public, positional: Sequence[Any], named: Mapping[str, Any], error: TypeError
) -> UsageError:
    """The error for a call that does not fit the signature."""
    parameters = called.signature.parameters
    for word in named:
        if word not in parameters:
            return _unknown(called, word)
    by_position = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(positional) > len(by_position) and str(error).startswith("too many"):
        surplus = value_in_words(positional[len(by_position)])
        shown = [name for name in by_position if name != "self"]
        by_name = [name for name in called.known if name not in shown]
        return UsageError(
            f"{called.name}() takes {' and '.join(shown) or 'nothing'} by position, "
            f"{surplus} is one too many",
            *([f"by name it takes {', '.join(by_name)}"] if by_name else []), hint=called.hint,
        )  # fmt: skip
    return UsageError(f"{called.name}(): {error}", hint=called.hint)


def _unknown(called: Public, word: str, further: Sequence[str] = ()) -> UsageError:
    """The error for an argument that a function does not have; `further` are those of forward."""
    what = f"{called.name}() has no argument {word}"
    known = [*called.known, *further]
    close = closest(word, known, cutoff=0.7)[:1]
    if ARGUMENTS.get(word) in known:
        close = [ARGUMENTS[word]]
    if close:
        hint = f"{close[0]}={EXAMPLES.get(close[0], '…')}"
        return UsageError(what, f"did you mean {close[0]}?", hint=hint)
    if word in _ELSEWHERE:
        example = called.example.replace("(1,", "(8,") if word == "batch_size" else called.example
        return UsageError(what, hint=_ELSEWHERE[word].format(example))
    having = [name for name, other in _PUBLIC.items() if word in other.known]
    elsewhere = [f"it is an argument of {', '.join(having)}"] if having else []
    return UsageError(what, *elsewhere, f"it takes {', '.join(called.known)}", hint=called.hint)


_ELSEWHERE = {
    **{name: f"cnnstat.{{}}.show({name}={EXAMPLES.get(name, '…')})" for name in SHOWN},
    "fix": "cnnstat lint my_model.py:Net --fix, on the command line",
    "format": 'cnnstat.{}.save("result.html")',
    "output": 'cnnstat.{}.save("result.html")',
    "batch_size": "cnnstat.{}",
}  # fmt: skip
"""Options of the command line that no function has, and what does the same in Python."""


def check_inputs_by_name(call: str, forward: Any, named: Mapping[str, Any]) -> None:
    """Check that forward takes the inputs that a caller passed by name.

    `call` is that of a `ModelRequest`. On the command line an input has a name on purpose, and the
    model is diagnosed.

    Raises:
        UsageError: neither forward nor the public function has such an argument.
    """
    called = _PUBLIC.get(call.partition("(")[0].removeprefix("cnnstat."))
    if not named or called is None or not called.has_inputs or _on_command_line.get():
        return
    try:
        parameters = inspect.signature(forward).parameters
    except (TypeError, ValueError):  # of code that is not Python
        return
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for name in named:
        if name not in parameters:
            error = _unknown(called, name, list(parameters))
            error.details = (*error.details, f"forward takes {', '.join(parameters)}")
            raise error
