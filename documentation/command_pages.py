"""The pages of the commands in Markdown: below what is written by hand, what the program says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from .commands import Command, Option, program

FOLDER = Path(__file__).parent.parent / "docs" / "commands"
MARK = "<!-- below this line: written by make reports -->"


def command_pages() -> dict[Path, str]:
    """The page of each command, and the list of all."""
    root, commands = program()
    pages = {FOLDER / f"{command.name}.md": _page(command) for command in commands}
    return {FOLDER / "README.md": _index(root, commands), **pages}


def _page(command: Command) -> str:
    path = FOLDER / f"{command.name}.md"
    by_hand = path.read_text(encoding="utf-8").partition(MARK)[0] if path.exists() else ""
    parts = [by_hand.strip() or f"# cnnstat {command.name}", MARK, "## Usage"]
    parts += [f"```text\n{command.usage}\n```", *map(_escaped, command.description)]
    for title, options in (("Arguments", command.arguments), ("Options", command.options)):
        if options:
            parts += [f"## {title}", _table(title.removesuffix("s").lower(), options)]
    return "\n\n".join(parts) + "\n"


def _index(root: Command, commands: Iterable[Command]) -> str:
    rows = [
        f"| [{command.name}]({command.name}.md) | {_escaped(command.summary)} "
        f"| `{command.example}` |"
        for command in commands
    ]
    table = ["| command | what it does | example |", "| --- | --- | --- |", *rows]
    parts = ["# Commands", f"```text\n{root.usage}\n```", *map(_escaped, root.description)]
    parts += ["\n".join(table), "## Options of the program", _table("option", root.options)]
    return "\n\n".join(parts) + "\n"


def _table(head: str, options: Iterable[Option]) -> str:
    rows = [f"| {_names(option)} | {_escaped(option.text)} |" for option in options]
    return "\n".join([f"| {head} | meaning |", "| --- | --- |", *rows])


def _names(option: Option) -> str:
    *short, last = option.names or (option.value,)
    last = f"{last} {option.value}" if option.names and option.value else last
    return ", ".join(code(name) for name in (*short, last))


def code(text: str) -> str:
    """Code in a table. GitHub reads an escaped bar there, Python's Markdown does not."""
    return f"<code>{text.replace('|', '&#124;')}</code>" if "|" in text else f"`{text}`"


def _escaped(text: str) -> str:
    """A text that no Markdown is read in, but for code between backticks."""
    parts = text.split("`")
    for index in range(0, len(parts), 2):
        for character in "\\*[]|":
            parts[index] = parts[index].replace(character, f"\\{character}")
        parts[index] = parts[index].replace("<", "&lt;")
        parts[index] = re.sub(r"(?<![\w-])--[a-z][a-z-]+", _option_as_code, parts[index])
    return "`".join(parts)


def _option_as_code(found: re.Match[str]) -> str:
    return f"`{found[0]}`" if found[0] in _names_of_options() else found[0]


@cache
def _names_of_options() -> frozenset[str]:
    root, commands = program()
    options = (option for command in (root, *commands) for option in command.options)
    return frozenset(name for option in options for name in option.names)
