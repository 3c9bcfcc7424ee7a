"""benchmarks/hostile.py: a sample of its cases, and that it would notice what is amiss."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx")
BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("the benchmarks are not part of the distribution", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

from hostile import Outcome, case_of, run_all  # noqa: E402

SAMPLE = {"onnx": 80, "analysis": 45, "exported": 35, "pyproject": 20, "command": 20}


def test_two_hundred_hostile_inputs(tmp_path: Path) -> None:
    names = [(kind, number) for kind, count in SAMPLE.items() for number in range(count)]
    cases = (case_of(kind, number, seed=14) for kind, number in names)
    outcomes = list(run_all(cases, tmp_path))
    faults = [
        (f"{kind}:{number}", outcome.fault, outcome.err[:300])
        for (kind, number), outcome in zip(names, outcomes, strict=True)
        if outcome.fault
    ]
    assert not faults
    assert len({outcome.status for outcome in outcomes}) >= 3  # neither all refused nor all fine


def test_a_seed_makes_the_same_case_again() -> None:
    for kind in ("onnx", "command", "code", "pyproject"):
        assert case_of(kind, 5, seed=2) == case_of(kind, 5, seed=2)
    assert case_of("onnx", 5, seed=2) != case_of("onnx", 6, seed=2)


FAULTS = [  # (what a case did, what is said of it)
    (Outcome(0, "a table", "", 0.1), ""),
    (Outcome(1, "", "error: no file", 0.1), ""),
    (Outcome(1, "", "error: this is a fault of cnnstat: KeyError: 1", 0.1), "fault of cnnstat"),
    (Outcome(1, "", "Traceback (most recent call last):\n", 0.1), "traceback"),
    (Outcome(0, "", "", 0.1), "no output"),
    (Outcome(1, "", "", 0.1), "no message"),
    (Outcome(139, "", "x", 0.1), "exit status 139"),
    (Outcome(0, "\x1b[7m", "", 0.1), "control character '\\x1b'"),
    (Outcome(0, "\x1b[1;31mbold\x1b[0m", "", 0.1), ""),
    (Outcome(1, "", "error: \u202e", 0.1), "control character '\\u202e'"),
    (Outcome(0, "x", "", 11), "timeout"),
    (Outcome(0, "x", "", 1, grown=3 << 30), "memory"),
    (Outcome(None, "", "", 30, reason="died with -11"), "died with -11"),
    (Outcome(1, "", "x" * 30_000, 1), "long message"),
]


@pytest.mark.parametrize(("outcome", "fault"), FAULTS)
def test_what_is_amiss(outcome: Outcome, fault: str) -> None:
    assert outcome.fault == fault
