"""The commands as the program itself describes them, for the pages and the manual."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import typer

from cnnstat.cli.main import app
from cnnstat.cli.usage import EXAMPLE


@dataclass(frozen=True)
class Option:
    """An option or an argument of a command; `value` is its metavar, empty for a flag."""

    names: tuple[str, ...]
    value: str
    help: str
    choices: tuple[str, ...]
    default: str

    @property
    def text(self) -> str:
        """The help with the choices, as sentences."""
        parts = [self.help] if self.help else []
        if self.choices:
            parts.append(f"One of {', '.join(self.choices)}.")
        if self.default:
            parts.append(f"Default: {self.default}.")
        return " ".join(parts)


@dataclass(frozen=True)
class Command:
    name: str
    summary: str
    usage: str
    description: tuple[str, ...]  # paragraphs
    arguments: tuple[Option, ...]
    options: tuple[Option, ...]
    example: str


def program() -> tuple[Command, tuple[Command, ...]]:
    """The program with the options before a command, and its commands in the order of the help."""
    group: Any = typer.main.get_command(app)
    root = group.make_context("cnnstat", [], resilient_parsing=True)
    commands = (
        _command(command, command.make_context(name, [], parent=root, resilient_parsing=True))
        for name, command in group.commands.items()
    )
    return _command(group, root), tuple(commands)


def _command(command: Any, context: Any) -> Command:
    parameters = command.get_params(context)
    return Command(
        name=context.info_name,
        summary=command.short_help or "",
        usage=" ".join([context.command_path, *command.collect_usage_pieces(context)]),
        description=_paragraphs(command.help),
        arguments=tuple(_option(p, context) for p in parameters if p.param_type_name == "argument"),
        options=tuple(_option(p, context) for p in parameters if p.param_type_name == "option"),
        example=(command.epilog or "").removeprefix(EXAMPLE),
    )


def _paragraphs(help: str) -> tuple[str, ...]:
    return tuple(" ".join(part.split()) for part in help.strip().split("\n\n"))


def _option(parameter: Any, context: Any) -> Option:
    choices = tuple(getattr(parameter.type, "choices", None) or ())
    text, default = _without_default(parameter.help or "")
    shown = parameter.show_default and not getattr(parameter, "is_flag", False)
    if not default and shown and parameter.default is not None:
        default = str(parameter.default)
    is_argument = parameter.param_type_name == "argument"
    return Option(
        names=() if is_argument else tuple(sorted(parameter.opts, key=len)),
        value=_value(parameter, choices, context),
        help=text,
        choices=choices,
        default=default,
    )


def _value(parameter: Any, choices: tuple[str, ...], context: Any) -> str:
    if getattr(parameter, "is_flag", False):
        return ""
    if choices and not parameter.metavar:
        return parameter.name.upper().replace("_", "-")
    value = parameter.make_metavar(ctx=context)
    return {"INTEGER RANGE": "N", "INTEGER": "N", "FLOAT": "X"}.get(value, value)


def _without_default(help: str) -> tuple[str, str]:
    """The help and the default that it ends with, `[default: 3; all in CSV]`."""
    found = re.fullmatch(r"(.*?)\s*\[default: ?(.*)\]", help, flags=re.DOTALL)
    return (found[1], found[2]) if found else (help, "")
