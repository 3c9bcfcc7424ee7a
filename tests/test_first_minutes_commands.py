"""The pages of the first ten minutes at the command line are run, command by command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnstat.cli.main import run

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [DOCS / "first-minutes-student.md", DOCS / "first-minutes-designer.md"]
PART = re.compile(
    r"```python\n# (?P<file>\S+)\n(?P<code>.*?)```|```console\n(?P<block>.*?)```", re.S
)


def pattern(expected: str) -> str:
    """A line of three dots stands for any lines."""
    return "".join(
        "(?:.*\n)*" if line == "...\n" else re.escape(line)
        for line in expected.splitlines(keepends=True)
    )


def commands(page: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Each command with what is printed below it; the files of the page are written on the way."""
    for part in PART.finditer(page):
        if part["file"]:
            (folder / part["file"]).write_text(part["code"])
        else:
            texts = re.split(r"^\$ (.*)\n", part["block"], flags=re.MULTILINE)[1:]
            yield from zip(texts[::2], texts[1::2], strict=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "weights.pth").write_bytes(b"\x80\x02")  # a pickle
    for command, expected in commands(page.read_text(encoding="utf-8"), tmp_path):
        program, *arguments = shlex.split(command)
        assert program == "cnnstat"
        status = run(arguments)
        out, err = capsys.readouterr()
        assert bool(status) == ("error: " in expected), command
        assert re.fullmatch(pattern(expected), out + err), f"$ {command}\n{out + err}"
