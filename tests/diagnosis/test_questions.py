"""Mistakes of public questions, and that the answers that people accepted mend them.

The shares are measured by benchmarks/questions.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("the benchmarks are not part of the distribution", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

from fix_verdicts import executed  # noqa: E402
from questions import questions  # noqa: E402

QUESTIONS = {question.name: question for question in questions()}


@pytest.mark.parametrize("name", QUESTIONS)
def test_accepted_answers_mend_the_file_in_plain_pytorch(name):
    question = QUESTIONS[name]
    assert (executed(question.broken).outputs is None) == (question.kind != "silent")
    for answer in question.accepted:
        run = executed(answer)
        assert run.outputs is not None
        assert run.doubled is not None
