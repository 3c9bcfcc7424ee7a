"""Every planted mistake is found, and its repaired twin is silent."""

from __future__ import annotations

from pathlib import Path

import pytest

import cnnstat
from tests.linting.mistakes import MISTAKES, Mistake
from tests.linting.training_mistakes import TRAINING_MISTAKES


def codes_in(text: str, folder: Path, code: str) -> set[str]:
    file = folder / "net.py"
    file.write_text(text, encoding="utf-8")
    return {finding.code for finding in cnnstat.lint(f"{file}:Net", select=[code]).findings}


@pytest.mark.parametrize(
    "mistake", [*MISTAKES, *TRAINING_MISTAKES], ids=lambda mistake: mistake.name
)
def test_mistakes_and_their_repairs(mistake: Mistake, tmp_path: Path) -> None:
    assert codes_in(mistake.broken, tmp_path, mistake.code) == {mistake.code}
    assert codes_in(mistake.repaired, tmp_path, mistake.code) == set()
