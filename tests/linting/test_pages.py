"""The page of every rule: its first example fires, its second does not."""

from __future__ import annotations

from pathlib import Path

import pytest

import cnnstat
from cnnstat.linting.rules import RULES


def codes_in(text: str, folder: Path, code: str) -> set[str]:
    file = folder / "net.py"
    file.write_text(text, encoding="utf-8")
    # CN001 is about comments that silence other rules
    lint = cnnstat.lint(f"{file}:Net", select=[code, *(["CN105"] if code == "CN001" else [])])
    assert not lint.undecided, lint.undecided
    return {finding.code for finding in lint.findings}


@pytest.mark.parametrize("code", RULES)
def test_the_examples_of_its_page(code: str, tmp_path: Path) -> None:
    page = RULES[code].page
    assert codes_in(page.fires, tmp_path, code) == {code}
    assert codes_in(page.quiet, tmp_path, code) == set()


def test_codes_and_names() -> None:
    assert all(code.startswith("CN") and len(code) == 5 for code in RULES)
    assert len({rule.name for rule in RULES.values()}) == len(RULES)
