"""Every console block of the README and of the pages in docs/ is run, page by page, in order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import cnnstat
from tests.transcripts import expected_status, pattern, status_of, transcript

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if "```console" in path.read_text(encoding="utf-8")
    and path.name != "author.md"  # test_author_page.py: its Python and LaTeX too
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "weights.pth").write_bytes(b"\x80\x02")  # a pickle
    for command, expected in transcript(page.read_text(encoding="utf-8"), tmp_path):
        status = status_of(command)
        out, err = capsys.readouterr()
        # a page may leave out what goes to standard error: notes, and how far it is
        printed = (out + err,) if status or "wrote " in expected else (out + err, out)
        matches = any(re.fullmatch(pattern(expected), text) for text in printed)
        assert matches, f"$ {command}\n{out + err}"
        assert status in expected_status(expected), command


def test_all_pages_are_found() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in PAGES}
    assert {"README.md", "docs/tutorials/student.md", "docs/commands/bench.md"} <= names


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_python_blocks(page: str) -> None:
    """A comment behind an expression is its value."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(import.*?)```", text, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        names: dict[str, object] = {}
        for line in block.splitlines():
            code, _, comment = line.partition("#")
            if code.strip() and not comment:
                exec(code, names)
            elif comment and re.match(r"[\d(\"]", comment.strip()):
                assert eval(code, names) == eval(comment), line
            elif code.strip():
                exec(code, names)
        assert isinstance(names["a"], cnnstat.Analysis)


def test_the_tests_that_a_page_shows_pass() -> None:
    text = (ROOT / "docs" / "tutorials" / "team.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n# test_budget.py\n(.*?)```", text, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        test()


def test_the_overview_has_the_figures_of_the_pages() -> None:
    """Each number of a row of docs/correctness.md is on the page that the row names."""
    docs = ROOT / "docs"
    rows = re.findall(
        r"^\| \[[^|]*\]\((\S+\.md)\) \| (.*) \|$",
        (docs / "correctness.md").read_text(encoding="utf-8"), flags=re.MULTILINE,
    )  # fmt: skip
    assert len(rows) > 8
    for page, text in rows:
        there = set(re.findall(r"\d+", (docs / page).read_text(encoding="utf-8")))
        assert set(re.findall(r"\b\d+", text)) <= there, (page, text)
