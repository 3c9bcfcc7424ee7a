"""Mistakes of public questions, and that the answers that people accepted mend them.

The shares are measured by benchmarks/questions.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import cnnstat

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


STATE_ON_THE_CPU = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(8, 16, batch_first=True)
        self.fc = nn.Linear(12, 2)

    def forward(self, x):
        out, _ = self.gru(x, torch.zeros(1, x.size(0), 16))
        return self.fc(out[:, -1])
"""


def test_equal_files_have_their_own_places_and_tensors_without_device_are_on_meta(tmp_path):
    for name in ("one.py", "two.py"):
        file = tmp_path / name
        file.write_text(STATE_ON_THE_CPU)
        with pytest.raises(cnnstat.ShapeError) as caught:
            cnnstat.analyze(f"{file}:Net", "3,5,8")
        (fault,) = caught.value.diagnosis.errors
        assert fault.called_from == f"{name}:14"
        assert fault.fixes[0].edit == "nn.Linear(16, 2)"
