"""docs/tutorials/author.md: every block is run, in order, in one folder."""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.transcripts import commands, pattern, status_of

PAGE = Path(__file__).parent.parent.parent / "docs" / "tutorials" / "author.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_transcript(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for language, block in BLOCKS:
        if language == "console":
            for command, expected in commands(block):
                assert re.fullmatch(pattern(expected), printed(command, capsys)), command
        elif language == "python":
            pytest.importorskip("pandas")
            example = doctest.DocTestParser().get_doctest(block, {}, "page", None, None)
            assert doctest.DocTestRunner(verbose=False).run(example).failed == 0
        else:
            name, _, text = block.partition("\n")
            (tmp_path / name.removeprefix("% ")).write_text(text, encoding="utf-8")
    assert {file.suffix for file in tmp_path.iterdir()} == {".tex", ".pdf", ".svg", ".csv", ".json"}
    if shutil.which("pdflatex") and shutil.which("kpsewhich"):
        compiled(tmp_path)


def printed(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    status_of(command)
    out, err = capsys.readouterr()
    return out + err


def compiled(folder: Path) -> None:
    found = subprocess.run(["kpsewhich", "siunitx.sty"], capture_output=True, check=False)
    if not found.stdout:
        return
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    for _ in range(2):  # the second time with the numbers of the references
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout[-2000:].decode(errors="replace")
    log = (folder / "paper.log").read_text(errors="replace")
    assert "Overfull" not in log
    assert "undefined" not in log
