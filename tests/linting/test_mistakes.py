"""Every planted mistake is found, its repaired twin is silent, and so is what a fix leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

import cnnstat
from cnnstat.diagnosis.line_edits import with_edits
from cnnstat.linting.results import Finding
from cnnstat.linting.rules import RULES
from tests.linting.mistakes import MISTAKES, Mistake
from tests.linting.training_mistakes import TRAINING_MISTAKES

PLANTED = [*MISTAKES, *TRAINING_MISTAKES]

WITHOUT_FIX = {
    # the rule knows no edit of the source: a person decides what is meant
    "CN105", "CN106", "CN107", "CN208", "CN303", "CN304", "CN307", "CN308", "CN309", "CN401",
    "CN402", "CN403", "CN404", "CN502", "CN602", "CN603", "CN701", "CN702", "CN703", "CN704",
    "CN705", "CN706",
    # this form of the mistake is none of those that are edited
    "attention by hand over axis 0", "sdpa on steps first", "affinity by features of the batch",
    "table of one batch size", "flattened, then another layout",
    "hidden states of both directions", "half of the features",
    "steps and batch exchanged by a view", "momentum 0", "a list in a list",
    "a layer of the class", "a mask in a list", "an assignment to what a sigmoid returned",
}  # fmt: skip


def linted(text: str, folder: Path, code: str) -> list[Finding]:
    file = folder / "net.py"
    file.write_text(text, encoding="utf-8")
    return list(cnnstat.lint(f"{file}:Net", select=[code]).findings)


def codes_in(text: str, folder: Path, code: str) -> set[str]:
    return {finding.code for finding in linted(text, folder, code)}


@pytest.mark.parametrize("mistake", PLANTED, ids=lambda mistake: mistake.name)
def test_mistakes_and_their_repairs(mistake: Mistake, tmp_path: Path) -> None:
    found = linted(mistake.broken, tmp_path, mistake.code)
    assert {finding.code for finding in found} == {mistake.code}
    edits = [edit for finding in found if finding.fix for edit in finding.fix.edits]
    assert bool(edits) is WITHOUT_FIX.isdisjoint({mistake.code, mistake.name})
    if edits:
        mended = with_edits(mistake.broken, edits)
        assert mended is not None
        assert codes_in(mended, tmp_path, mistake.code) == set()
    assert codes_in(mistake.repaired, tmp_path, mistake.code) == set()


def test_every_mistake_without_a_fix_exists() -> None:
    known = {*RULES, *(mistake.name for mistake in PLANTED)}
    assert known >= WITHOUT_FIX
