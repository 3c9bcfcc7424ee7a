"""Colours, widths and characters of what is printed, by the terminal and the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from cnnstat.cli.main import run
from cnnstat.cli.terminal import has_colours
from tests.kinds import result

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


# ---------------------------------------------------------------- characters


START = "import sys; sys.argv[0] = 'cnnstat'; from cnnstat.cli.main import main; main()"


def _printed(arguments: str, **variables: str) -> tuple[int, bytes, bytes]:
    unset = ("LC_ALL", "LC_CTYPE", "LANG", "PYTHONUTF8", "PYTHONIOENCODING", "FORCE_COLOR")
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    process = subprocess.run(
        [sys.executable, "-c", START, *arguments.split()], capture_output=True, check=False,
        env={**inherited, **variables}, timeout=120,
    )  # fmt: skip
    return process.returncode, process.stdout, process.stderr


@pytest.mark.parametrize(
    "variables",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"LANG": "C"}, {"LC_ALL": "POSIX"}],
    ids=str,
)
def test_an_ascii_terminal_has_other_characters(variables: dict[str, str]) -> None:
    status, out, err = _printed("list", **variables)
    assert (status, err) == (0, b"")
    _, _, header, lenet, alexnet, *_ = out.decode("ascii").splitlines()
    assert "?" not in out.decode("ascii")
    assert header.index("Input") == lenet.index("1x1x28x28") == alexnet.index("1x3x224x224")
    status, out, err = _printed("shapes nin --columns \u00d7", **variables)
    assert (status, out) == (2, b"")
    assert err.decode("ascii").startswith("error: unknown column 'x'\n")
    assert _printed("bench --help", **variables)[0] == 0  # its help has characters beyond ASCII


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}], ids=str)
def test_colours_do_not_depend_on_the_characters(variables: dict[str, str]) -> None:
    """Errors and tables follow one rule; lines are drawn where there are characters for them."""
    for line in ("list", "lst"):
        status, out, err = _printed(line, FORCE_COLOR="1", **variables)
        assert (out if status == 0 else err).decode("ascii").startswith("\x1b[1")
    assert b"\x1b" not in _printed("list", NO_COLOR="1", **variables)[1]


@pytest.mark.parametrize("kind", ["memory", "comparison", "lint", "analysis", "roofline"])
def test_pictures_of_a_coloured_ascii_terminal(kind: str) -> None:
    from cnnstat.render import render

    text = render(result(kind), "table", width=80, coloured=True, encoding="ascii").text
    assert "\x1b[1m" in text
    assert "\\u" not in text
    assert text.isascii()


def test_without_a_locale_text_is_utf_8() -> None:
    """As in a container: Python writes UTF-8 there."""
    assert "1×1×28×28".encode() in _printed("list")[1]


@pytest.mark.parametrize(("encoding", "shape"), [("latin-1", "1×1×28×28"), ("cp437", "1x1x28x28")])
def test_a_code_page_keeps_what_it_has(encoding: str, shape: str) -> None:
    status, out, _ = _printed("list", PYTHONIOENCODING=encoding)
    assert status == 0
    assert shape in out.decode(encoding)
    assert "?" not in out.decode(encoding)


def test_a_marked_line_keeps_its_mark() -> None:
    from cnnstat.render.blocks import Excerpt, Problem, Report
    from cnnstat.render.spelling import in_encoding
    from cnnstat.render.text import render_blocks

    text = 'x = "größe" @ y'
    excerpt = Excerpt("net.py", 3, 5, "", text, 4, 11)
    report = in_encoding(Report("", (Problem("a → b", excerpt, "", (), ()),)), "ascii")
    head, _, _, line, marks = render_blocks(report.blocks, 80, False).splitlines()
    assert head == "error: a -> b"
    assert line[marks.index("^") : marks.rindex("^") + 1] == r'"gr\xf6\xdfe"'


def test_texts_of_a_million_characters_are_cut_at_once() -> None:
    """A step for each character over the width took minutes."""
    from cnnstat.render.blocks import ChangedLine, Excerpt, Problem, Remedy
    from cnnstat.render.text import render_blocks
    from cnnstat.render.wrapping import cells

    text = "é名" * 500_000
    remedy = Remedy("fix", ("a",), (ChangedLine(1, "+", text),), "")
    problem = Problem("a", Excerpt("net.py", 3, 5, "", text, 0, len(text)), "", (text,), (remedy,))
    lines = render_blocks((problem,), 40, False).splitlines()
    cut = [line.split()[-1] for line in lines if line.endswith("…")]
    assert [set(line) for line in cut] == [set("é名…")] * 2
    assert all(cells(line) <= 40 for line in lines)
    assert {cells(line) for line in lines if line.startswith("  é")} <= {38, 39, 40}


@pytest.mark.parametrize(
    ("text", "ascii"),
    [
        ("⌊(n − k) / s⌋ + 1", "floor((n - k) / s) + 1"),
        ("3 · 10²", "3 * 10^2"),
        ("ε → 0", "epsilon -> 0"),
        ("é", r"\xe9"),
    ],
)
def test_spellings(text: str, ascii: str) -> None:
    from cnnstat.render.spelling import spelled

    assert spelled(text, "ascii") == ascii
    assert spelled(text, "utf-8") == text


# ---------------------------------------------------------------- pager


def _on_terminal(tmp_path: Path, *arguments: str, rows: int = 10, **variables: str) -> str:
    """What a command writes to a terminal, with a pager that says that it was called."""
    pty = pytest.importorskip("pty")
    import fcntl
    import struct
    import termios

    pager = tmp_path / "pager"
    pager.write_text('#!/bin/sh\necho "paged, LESS=$LESS"\nhead -2\n')
    pager.chmod(0o755)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 80, 0, 0))
    environment = {n: v for n, v in os.environ.items() if n not in ("LESS", "PAGER", "COLUMNS")}
    environment |= {"CNNSTAT_PAGER": str(pager), "TERM": "xterm", "NO_COLOR": "1", **variables}
    process = subprocess.Popen(
        [sys.executable, "-c", START, *arguments], stdin=theirs, stdout=theirs, stderr=theirs,
        env=environment,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 1 << 16):
            written += chunk
    except OSError:  # how Linux says that the other side is gone
        pass
    os.close(ours)
    assert process.wait(60) == 0  # also where the pager is left early
    return written.decode().replace("\r\n", "\n")


def test_a_long_table_is_paged(tmp_path: Path) -> None:
    assert _on_terminal(tmp_path, "list").startswith("paged, LESS=FRX\nbuilt-in networks\n\n")


@pytest.mark.parametrize(
    ("arguments", "variables", "rows"),
    [
        (["list", "--no-pager"], {}, 10),
        (["list"], {"CNNSTAT_PAGER": ""}, 10),
        (["list"], {"CNNSTAT_PAGER": "cat"}, 10),
        (["list"], {"CNNSTAT_PAGER": "no-such-program"}, 10),
        (["list"], {}, 60),  # it fits
        (["list", "--format", "json"], {}, 10),
    ],
)
def test_what_is_not_paged(
    arguments: list[str], variables: dict[str, str], rows: int, tmp_path: Path
) -> None:
    text = _on_terminal(tmp_path, *arguments, rows=rows, **variables)
    assert "paged" not in text
    assert "residual-mnist" in text


@pytest.mark.parametrize(
    "line",
    ["latency lenet --seconds 0.1", "bench lenet --data synthetic --steps 2 --batch-size 4",
     "lint lenet"],
)  # fmt: skip
def test_what_was_waited_for_is_not_paged(line: str, tmp_path: Path) -> None:
    text = _on_terminal(tmp_path, *line.split(), rows=2)
    assert "paged" not in text
    assert "lenet" in text
