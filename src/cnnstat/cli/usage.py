"""Errors of a command line that cannot be parsed, in the style of all other errors.

typer reports them by exceptions of click, or of its own copy of click: classes of the same names,
whose attributes say what was typed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any, get_args

import typer

from ..errors import UsageError, closest, nearest
from ..models.spec_resolution import is_known
from ..render.options import Format
from .other_options import instead_of

ClickError: type[Exception] = typer.BadParameter.__bases__[0].__bases__[0]
"""The base of all errors that typer raises for a command line."""

EXAMPLE = "Example: "
"""Begins the last line of the help of a command; an error offers the example."""


def usage_error(error: Any, program: Any, arguments: Sequence[str]) -> UsageError:
    """The error of a command line, from click's; `arguments` are the words after `cnnstat`."""
    context = getattr(error, "ctx", None) or _context_of(program, arguments)
    name = type(error).__name__
    if name == "NoSuchOption":
        return _unknown_option(error.option_name, context, arguments)
    if name == "BadOptionUsage":
        return _bad_option(error, context, arguments)
    if name == "MissingParameter":
        return _missing(error.param, context)
    if name == "BadParameter" and error.param is not None:
        return _bad_value(error, context, arguments)
    if hasattr(context.command, "commands"):
        return _unknown_command(context, arguments)
    return _unexpected(error, context, arguments)


def _context_of(program: Any, arguments: Sequence[str]) -> Any:
    """That of the command, for the errors to which click gives none."""
    root = program.make_context("cnnstat", [], resilient_parsing=True)
    name = next((word for word in arguments if word in program.commands), None)
    if name is None:
        return root
    command = program.commands[name]
    return command.make_context(name, [], parent=root, resilient_parsing=True)


def _command_of(context: Any) -> str:
    """`cnnstat shapes`, however the process was started."""
    return "cnnstat" if context.parent is None else f"cnnstat {context.info_name}"


def _example_of(context: Any) -> str:
    epilog = context.command.epilog or ""
    return epilog.partition(EXAMPLE)[2] or f"{_command_of(context)} --help"


def _with_word(arguments: Sequence[str], typed: str, by: str) -> str:
    """The whole command line with another word, also before or after `=`."""
    words = []
    for word in arguments:
        name, equals, value = word.partition("=")
        name = by if name == typed else name
        words.append(f"{name}={by}" if equals and value == typed else f"{name}{equals}{value}")
    return shlex.join(["cnnstat", *words])


def _unknown_option(option: str, context: Any, arguments: Sequence[str]) -> UsageError:
    """With the nearest of the command's options, or the commands that have this one."""
    what = f"{_command_of(context)} has no option {option}"
    help = f"{_command_of(context)} --help"
    if option.startswith("--") and option[2:] in get_args(Format):  # as in other programs
        return UsageError(what, hint=_with_word(arguments, option, f"--format={option[2:]}"))
    known = [*_options_of(context.command), "--help"]
    instead = instead_of(option, _command_of(context).split(), known, arguments)
    if context.parent is None and option[2:] in context.command.commands:
        return UsageError(what, hint=_with_word(arguments, option, option[2:]))
    if instead is not None and option in _INSTEAD_OF_OTHERS:
        return UsageError(what, instead.reason, hint=instead.hint)
    others = context.find_root().command.commands if context.parent is not None else {}
    having = [name for name, other in others.items() if option in _options_of(other)]
    if having:
        suitable = [name for name in having if _accepts_arguments_of(others[name], context.command)]
        hint = _of_command(arguments, context.info_name, suitable[0]) if suitable else help
        return UsageError(what, f"it is an option of {', '.join(having)}", hint=hint)
    if instead is not None and not _is_misspelt(option, known):
        return UsageError(what, instead.reason, hint=instead.hint)
    if option.startswith("--") and (close := closest(option, known, cutoff=0.7)[:3]):
        hint = _with_word(arguments, option, close[0])
        return UsageError(what, f"did you mean {', '.join(close)}?", hint=hint)
    return UsageError(what, hint=help)


_INSTEAD_OF_OTHERS = ("--strict", "--flops", "--macs")
"""Options of other commands, or close to ones of this, that mean something else here."""


def _is_misspelt(option: str, known: Sequence[str]) -> bool:
    return bool(closest(option, known, cutoff=0.85))


def _accepts_arguments_of(other: Any, command: Any) -> bool:
    """Whether a command takes the arguments of another one: one model, or several."""
    ours, theirs = ([p.name for p in c.params if p.param_type_name == "argument"]
                    for c in (command, other))  # fmt: skip
    return theirs == ours or (ours == ["model"] and theirs == ["models"])


def _of_command(arguments: Sequence[str], command: str, other: str) -> str:
    """The whole command line with another command."""
    words = [other if word == command else word for word in arguments]
    return shlex.join(["cnnstat", *words])


def _options_of(command: Any) -> list[str]:
    return [name for param in command.params for name in param.opts if name.startswith("--")]


def _bad_option(error: Any, context: Any, arguments: Sequence[str]) -> UsageError:
    """A value that is missing, or one of an option that takes none."""
    option = error.option_name
    param = next((p for p in context.command.params if option in p.opts), None)
    if param is not None and getattr(param, "is_flag", False):
        bare = [option if word.startswith(f"{option}=") else word for word in arguments]
        return UsageError(f"{option} takes no value", hint=shlex.join(["cnnstat", *bare]))
    expected = [] if param is None else _expected(param)
    return UsageError(
        f"{option} takes a value, which is missing", *expected,
        hint=f"{_command_of(context)} --help",
    )  # fmt: skip


def _missing(param: Any, context: Any) -> UsageError:
    name = param.opts[0] if param.param_type_name == "option" else param.metavar or param.name
    return UsageError(
        f"{_command_of(context)} takes {name}, which is missing", hint=_example_of(context)
    )


def _bad_value(error: Any, context: Any, arguments: Sequence[str]) -> UsageError:
    """A choice that does not exist, a number out of range, or no number."""
    param = error.param
    name = param.opts[0] if param.param_type_name == "option" else param.metavar or param.name
    typed = _refused_value(param, context, arguments)
    if typed is None:
        return UsageError(f"{name}: {error.message}", hint=f"{_command_of(context)} --help")
    choices = getattr(param.type, "choices", None)
    if not choices:
        return UsageError(
            f"{name} {typed!r} is not valid", *_expected(param),
            hint=f"{_command_of(context)} --help",
        )  # fmt: skip
    if name == "--device" and (device := _other_device(typed, param, context, arguments)):
        return device
    close = nearest(typed, choices)
    better = (closest(typed, choices) or list(choices))[0]
    return UsageError(
        f"unknown {name} {typed!r}", *([close] if close else []), *_expected(param),
        hint=_with_word(arguments, typed, better),
    )  # fmt: skip


_GPUS = re.compile(r"gpu|nvidia|(?:cuda:|gpu)?(?P<number>\d)|.*\d\d.*", re.IGNORECASE)


def _other_device(
    typed: str, param: Any, context: Any, arguments: Sequence[str]
) -> UsageError | None:
    """The error for a GPU by its name or number, where only the kind of a device is an option."""
    gpu = _GPUS.fullmatch(typed)
    if gpu is None:
        return None
    command = _with_word(arguments, typed, "cuda")
    what = f"unknown --device {typed!r}"
    if number := gpu["number"]:
        return UsageError(
            what, f"{_command_of(context)} runs on the first GPU that it can see",
            *_expected(param), hint=f"CUDA_VISIBLE_DEVICES={number} {command}",
        )  # fmt: skip
    return UsageError(
        what, f"{_command_of(context)} runs on a device of this machine, whatever its name",
        *_expected(param), "without the device: cnnstat roofline or memory, with --device NAME",
        hint=command,
    )  # fmt: skip


def _refused_value(param: Any, context: Any, arguments: Sequence[str]) -> str | None:
    """The value on the command line that the parameter does not take."""
    words = zip(arguments, [*arguments[1:], ""], strict=True)
    for word, following in words:
        for option in param.opts:
            joined = f"{option}=" if option.startswith("--") else option
            if word == option:
                value = following
            elif word.startswith(joined):
                value = word[len(joined) :]
            else:
                continue
            try:
                param.type.convert(value, param, context)
            except ClickError:
                return value
    return None


_NUMBERS = {"integer": "a whole number", "float": "a number"}


def _expected(param: Any) -> list[str]:
    """The values of a parameter, as far as its type knows them."""
    if choices := getattr(param.type, "choices", None):
        return [f"known: {', '.join(map(str, choices))}"]
    number = _NUMBERS.get(param.type.name.removesuffix(" range"))
    if number is None:
        return []
    low, high = (getattr(param.type, name, None) for name in ("min", "max"))
    bounds = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
    return [f"expected {number}, {' and '.join(bounds)}" if bounds else f"expected {number}"]


def _unknown_command(context: Any, arguments: Sequence[str]) -> UsageError:
    typed = next((word for word in arguments if not word.startswith("-")), "")
    if close := closest(typed, context.command.commands, cutoff=0.6):
        hint = _with_word(arguments, typed, close[0])
        return UsageError(f"unknown command {typed!r}", f"did you mean {close[0]}?", hint=hint)
    return UsageError(f"unknown command {typed!r}", hint="cnnstat --help")


def _unexpected(error: Any, context: Any, arguments: Sequence[str]) -> UsageError:
    """More arguments than the command takes."""
    after = list(arguments[list(arguments).index(context.info_name) + 1 :])
    extra = context.command.make_parser(context).parse_args(list(after))[1]
    params = [p for p in context.command.params if p.param_type_name == "argument"]
    accepted = " and ".join(f"one {p.metavar or p.name}" for p in params) or "no argument"
    models = params and params[0].name == "model" and not any(w.startswith("-") for w in after)
    if models and after[1:] and all(word.isdecimal() for word in after[1:]):
        sizes = [*(["1"] if len(after) == 4 else []), *after[1:]]  # torchsummary has no batch
        return UsageError(
            f"{_command_of(context)} takes {accepted}", "the shape of the input is an option",
            hint=shlex.join(["cnnstat", context.info_name, after[0], "--input", ",".join(sizes)]),
        )  # fmt: skip
    if models and len(after) == 2 and not is_known(after[1]):
        return UsageError(
            f"{_command_of(context)} takes {accepted}", f"unexpected: {after[1]}",
            hint=shlex.join(["cnnstat", "explain", *after]),
        )  # fmt: skip
    return UsageError(
        f"{_command_of(context)} takes {accepted}", f"unexpected: {' '.join(map(str, extra))}",
        hint=shlex.join(["cnnstat", "compare", *after]) if models else _example_of(context),
    )  # fmt: skip
