"""Colours, widths and characters of what is printed, by the terminal and the environment."""

from __future__ import annotations

import sys
from io import StringIO
from typing import Any

import pytest

from cnnstat.cli.main import run
from cnnstat.cli.terminal import has_colours

Capture = pytest.CaptureFixture[str]
COLOURS = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "TERM", "COLUMNS")


class Stream(StringIO):
    """A stream that is a terminal, or none."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in COLOURS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "on_terminal", "in_pipe"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),  # no-color.org: only if it is not empty
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ({"CLICOLOR": "0"}, False, False),
        ({"CLICOLOR": "0", "CLICOLOR_FORCE": "1"}, True, True),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    ],
)
def test_colours(
    variables: dict[str, str], on_terminal: bool, in_pipe: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert has_colours(Stream(terminal=True)) is on_terminal
    assert has_colours(Stream(terminal=False)) is in_pipe
    assert has_colours(None) is in_pipe


def _error(line: str, monkeypatch: Any, terminal: bool = True) -> str:
    stream = Stream(terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    assert run(line.split()) == 2
    return stream.getvalue()


def test_an_error_is_coloured_as_those_of_ruff(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _error("shapes nin --zzz", monkeypatch) == (
        "\x1b[1;31merror\x1b[0m\x1b[1m: \x1b[0m\x1b[1mcnnstat shapes has no option --zzz\x1b[0m\n"
        "  \x1b[1;32mtry:\x1b[0m cnnstat shapes --help\n"
    )


def test_an_error_is_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    text = _error("shapes nin --columns wight", monkeypatch)
    assert max(map(len, text.splitlines())) <= 40
    assert "\n    " in text  # further lines of a detail are indented
    monkeypatch.delenv("COLUMNS")
    in_pipe = _error("shapes nin --columns wight", monkeypatch, terminal=False)
    assert [line for line in in_pipe.splitlines() if line.startswith("  known: ")]
    assert " ".join(text.split()) == " ".join(in_pipe.split())


def test_what_to_type_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "30")
    text = _error("shapes nin --inptu 1,1,224,224 --depth 1 --ops all", monkeypatch)
    assert "  try: cnnstat shapes nin --input 1,1,224,224 --depth 1 --ops all\n" in text
