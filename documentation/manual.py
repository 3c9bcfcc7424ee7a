"""The manual page `cnnstat.1`, from the same descriptions as the pages of the commands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from textwrap import wrap

from cnnstat.version import __version__

from .commands import Command, Option, program

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "man" / "cnnstat.1"
_SHARED = 3
"""An option of at least so many commands is described once."""

ENVIRONMENT = {
    "CNNSTAT_PAGER, PAGER": "The program that shows long results in a terminal; by default less.",
    "NO_COLOR": "If set, nothing is coloured.",
    "CNNSTAT_FAST": "0 leaves out what makes runs fast; the results are the same.",
    "XDG_CACHE_HOME": "Where names of models and downloaded data are stored.",
}
FILES = {
    "pyproject.toml": "The nearest with a table [tool.cnnstat]: names of your own models "
    "([tool.cnnstat.models]), modules that register more (import), settings of lint "
    "([tool.cnnstat.lint]).",
}


def manual_page() -> dict[Path, str]:
    root, commands = program()
    shared = _shared(commands)
    lines = [
        f'.TH CNNSTAT 1 "" "cnnstat {__version__}" "User Commands"',
        ".nh",
        ".SH NAME",
        "cnnstat \\- analyse PyTorch models without data",
        ".SH SYNOPSIS",
        ".B cnnstat",
        "[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGS\\fR]...",
        ".SH DESCRIPTION",
        *_paragraphs(root.description),
        ".SH OPTIONS",
        *_items(root.options),
        ".SH COMMANDS",
        *(line for command in commands for line in _command(command, shared)),
        ".SH OPTIONS OF SEVERAL COMMANDS",
        *_items(shared),
        ".SH EXIT STATUS",
        *_definitions(exit_statuses()),
        ".SH ENVIRONMENT",
        *_definitions(ENVIRONMENT.items()),
        ".SH FILES",
        *_definitions(FILES.items()),
        ".SH EXAMPLES",
        *_examples(commands),
    ]
    return {PAGE: "\n".join(lines) + "\n"}


def exit_statuses() -> list[tuple[str, str]]:
    """The rows of the table in docs/conventions.md."""
    text = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    section = text.partition("## Exit status")[2]
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", section, flags=re.MULTILINE)
    return [(status, meaning.replace("`", "")) for status, meaning in rows]


def _shared(commands: Iterable[Command]) -> list[Option]:
    counts = Counter(option for command in commands for option in command.options)
    return [option for option, count in counts.items() if count >= _SHARED]


def _command(command: Command, shared: Sequence[Option]) -> Iterator[str]:
    yield f".SS {_escaped(command.usage)}"
    yield from _paragraphs(command.description)
    yield from _items(command.arguments)
    yield from _items([option for option in command.options if option not in shared])
    also = [option.names[-1] for option in command.options if option in shared]
    yield ".PP"
    yield from _filled(f"Also: {', '.join(also)}.")


def _items(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        value = f"\\fI{_escaped(option.value)}\\fR" if option.value else ""
        names = ", ".join(f"\\fB{_escaped(name)}\\fR" for name in option.names)
        yield ".TP"
        yield f"{names} {value}".strip()
        yield from _filled(option.text)


def _definitions(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, meaning in pairs:
        yield ".TP"
        yield f"\\fB{_escaped(name)}\\fR"
        yield from _filled(meaning)


def _paragraphs(texts: Iterable[str]) -> Iterator[str]:
    for number, text in enumerate(texts):
        if number:
            yield ".PP"
        yield from _filled(text.replace("`", ""))


def _examples(commands: Iterable[Command]) -> Iterator[str]:
    yield ".EX"
    for command in commands:
        yield _escaped(command.example)
    yield ".EE"


def _filled(text: str) -> list[str]:
    """A paragraph in lines, which roff fills anew."""
    lines = wrap(text, 66, break_long_words=False, break_on_hyphens=False)
    return [_escaped(line) for line in lines] or ["\\&"]


def _escaped(text: str) -> str:
    """A text in which roff sees no request and no escape, and a hyphen can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in text)
    return f"\\&{text}" if text[:1] in (".", "'") else text
