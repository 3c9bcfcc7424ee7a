"""Transcripts in Markdown: the commands of its console blocks, with the output below each."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from cnnstat.cli.main import run

_PART = re.compile(
    r"^```(?:python|toml|latex)\n[#%] (?P<file>\S+\.\w+)\n(?P<content>.*?)^```"
    r"|^```console\n(?P<block>.*?)^```",
    re.DOTALL | re.MULTILINE,
)


def transcript(page: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Each command of a page with its expected output; files that the page shows are written."""
    for part in _PART.finditer(page):
        if part["file"]:
            (folder / part["file"]).write_text(part["content"], encoding="utf-8")
        else:
            yield from commands(part["block"])


def commands(block: str) -> list[tuple[str, str]]:
    """The commands of a block, each with the output printed below it."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def pattern(expected: str) -> str:
    """A line of three dots stands for any lines."""
    return "".join(
        "(?:.*\n)*" if line == "...\n" else re.escape(line)
        for line in expected.splitlines(keepends=True)
    )


def status_of(command: str) -> int:
    """Run a command in this process."""
    program, *arguments = shlex.split(command)
    if program == "head":
        count, file = arguments
        lines = Path(file).read_text(encoding="utf-8").splitlines(keepends=True)
        print("".join(lines[: int(count[1:])]), end="")  # noqa: T201
        return 0
    assert program == "cnnstat", command
    return run(arguments)


def expected_status(expected: str) -> tuple[int, ...]:
    if re.search(r"^error: ", expected, flags=re.MULTILINE):
        return 1, 2
    return (3,) if re.search(r"^(error|warning)\[", expected, flags=re.MULTILINE) else (0,)
