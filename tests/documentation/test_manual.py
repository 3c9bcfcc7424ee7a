"""The manual page has every option of every command, and roff has nothing to say about it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

import pytest

from documentation.commands import program
from documentation.manual import PAGE, exit_statuses

TEXT = PAGE.read_text(encoding="utf-8")


def test_every_command_and_option_is_in_it() -> None:
    root, commands = program()
    assert len(commands) >= 12
    for command in (root, *commands):
        for option in command.options:
            for name in option.names:
                assert name.replace("-", "\\-") in TEXT, f"{command.name} {name}"
        assert command.example.replace("-", "\\-") in TEXT


def test_exit_statuses_are_those_of_the_conventions() -> None:
    assert [status for status, _ in exit_statuses()] == ["0", "1", "2", "3", "130"]


@pytest.mark.parametrize(
    "checker",
    [("groff", "-man", "-Tutf8", "-ww", "-z"), ("mandoc", "-T", "lint", "-W", "error")],
    ids=lambda checker: checker[0],
)
def test_a_checker_finds_nothing(checker: Sequence[str]) -> None:
    if shutil.which(checker[0]) is None:
        pytest.skip(f"{checker[0]} is not installed")
    command = [*checker, str(PAGE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def test_a_line_is_no_request_by_accident() -> None:
    """A text that begins with a dot or an apostrophe would be one."""
    known = {".TH", ".nh", ".SH", ".SS", ".PP", ".TP", ".B", ".EX", ".EE"}
    begun = {line.split(" ")[0] for line in TEXT.splitlines() if line[:1] in ".'"}
    assert begun <= known
