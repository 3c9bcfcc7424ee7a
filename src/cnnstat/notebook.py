"""`%load_ext cnnstat`: the command line in a notebook, on its variables.

    %cnnstat net (1,3,224,224)           # a variable, or the name of a model
    %cnnstat net x --depth 2             # an input like the tensor x
    %cnnstat compare net alexnet -i 1,3,224,224
    %cnnstat explain net features.0 -i (1,3,224,224)

A result is displayed as HTML. An error is printed as on the command line, and ends the cell.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .errors import UsageError
from .inputs import InputSpec
from .render.exports import display
from .run_config import named_objects

_SIZES = re.compile(r"\(\s*\d+(\s*,\s*\d+)*\s*,?\s*\)|\[\s*\d+(\s*,\s*\d+)*\s*,?\s*\]")
_PLAIN_SIZES = re.compile(r"\d+([,x×]\d+)+")
_NAME = re.compile(r"[^\W\d]\w*(\.\w+)*")
_BY_NAME_ONLY = ("scale",)
"""Commands that build a model several times, so that they take no object."""


class CommandFailed(Exception):
    """A command printed its error; the cell ends without a traceback."""

    def __init__(self, status: int) -> None:
        super().__init__(f"cnnstat: exit status {status}")

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def load_extension(shell: Any) -> None:
    """Add `%cnnstat` to an IPython shell."""

    def cnnstat(line: str) -> None:
        run_line(line, shell.user_ns)

    cnnstat.__doc__ = __doc__
    shell.register_magic_function(cnnstat, "line", "cnnstat")


def run_line(line: str, variables: Mapping[str, Any]) -> None:
    """Run a command line in which variables may stand for models and inputs.

    Raises:
        CommandFailed: an error was printed.
    """
    import torch  # noqa: F401  # completely: a command imports it without the parts that it needs not

    from .cli.emit import display_with
    from .cli.main import app, run
    from .cli.terminal import echo_error

    commands = [command.name for command in app.registered_commands]
    try:
        typed = _words_of(line)
    except UsageError as error:
        echo_error(error)
        raise CommandFailed(error.exit_status) from None
    words, models = _understood(typed or ["--help"], variables)
    if words and words[0] in models and words[0] not in commands:
        words = ["shapes", *words]
    token = named_objects.set({} if words[:1] and words[0] in _BY_NAME_ONLY else models)
    try:
        with display_with(display):
            status = run(words)
    finally:
        named_objects.reset(token)
    if status:
        raise CommandFailed(status)


def _words_of(line: str) -> list[str]:
    joined = _SIZES.sub(lambda match: "".join(match[0].split()), line)  # (1, 3, 32, 32)
    try:
        return shlex.split(joined)
    except ValueError as error:
        raise UsageError(f"%cnnstat {line}: {error}") from None


def _understood(words: list[str], variables: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """The words with sizes and tensors as `--input`, and the variables that are models."""
    understood: list[str] = []
    models: dict[str, Any] = {}
    for place, word in enumerate(words):
        value = _value_of(word, variables)
        sizes = _sizes_of(word, value)
        before = words[place - 1] if place else ""
        if sizes is not None and place:
            is_value = before in ("--input", "-i")
            other = before.startswith("-") and not is_value
            understood.append(sizes if is_value else word if other else f"--input={sizes}")
            continue
        if callable(value):
            models[word] = value
        understood.append(word)
    return understood, models


def _value_of(word: str, variables: Mapping[str, Any]) -> Any:
    """The variable, or the attribute of one, that a word names; None without it."""
    if not _NAME.fullmatch(word):
        return None
    first, *attributes = word.split(".")
    value: Any = variables.get(first)
    with suppress(Exception):  # properties are the user's code
        for name in attributes:
            value = value[int(name)] if name.isdecimal() else getattr(value, name)
        return value
    return None


def _sizes_of(word: str, value: Any) -> str | None:
    """The text of an input: of sizes, of a variable with sizes, or of a tensor."""
    if _SIZES.fullmatch(word):
        return word.strip("()[],")
    if _PLAIN_SIZES.fullmatch(word):
        return word
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and hasattr(value, "dtype"):  # a tensor or an array
        dtype = str(value.dtype).removeprefix("torch.")
        return str(InputSpec(tuple(shape), dtype)) if shape else None
    if isinstance(value, tuple | list) and value and all(type(size) is int for size in value):
        return str(InputSpec(tuple(value)))
    return None
