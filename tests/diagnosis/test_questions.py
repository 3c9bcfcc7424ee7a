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

from fix_verdicts import executed, is_accepted, judge, why_misleading, with_fix  # noqa: E402
from questions import questions  # noqa: E402

TRAIN = {question.name: question for question in questions("train")}
OTHERS = {q.name: q for name in ("validation", "test") for q in questions(name)}
OF_OTHER_KINDS = (
    "axis_of_layers_twice", "causal_mask_by_the_batch", "condition_beside_the_noise",
    "einsum_of_transposed_weights", "embeddings_by_columns", "excitation_narrows_again",
    "input_instead_of_output", "layer_assigned_to_a_size", "one_for_the_hidden_size",
    "padding_as_attention_mask", "pyramid_of_odd_maps", "scale_of_the_last_map",
    "size_of_the_other_branch", "softmax_never_created", "squeeze_in_a_loop",
    "state_of_both_directions", "states_without_brackets", "unpooling_of_odd_sides",
    "view_without_the_batch", "width_before_it_is_reduced",
)  # fmt: skip
"""Of the others, one for each kind of edits that those do not need."""
JUDGED = {name: TRAIN.get(name) or OTHERS[name] for name in (*TRAIN, *OF_OTHER_KINDS)}
BATCH_IS_NOT_FIRST = {
    "state_of_both_directions", "view_without_the_batch", "states_without_brackets",
    "embeddings_by_columns",
}  # fmt: skip
UNDIAGNOSED = {"state_on_cuda"}  # it runs on a stand-in of the device


@pytest.mark.parametrize("name", sorted(JUDGED.keys() - UNDIAGNOSED))
def test_the_accepted_answer_comes_first_and_nothing_misleads(name, tmp_path):
    verdict = judge(JUDGED[name], tmp_path)
    assert verdict.place
    assert verdict.is_first, verdict.edits
    assert not verdict.misleading


@pytest.mark.parametrize("name", OTHERS)
def test_accepted_answers_mend_the_file_in_plain_pytorch(name):
    question = OTHERS[name]
    assert executed(question.broken).outputs is None
    for answer in question.accepted:
        run = executed(answer)
        assert run.outputs is not None
        assert run.doubled is not None or name in BATCH_IS_NOT_FIRST


def test_what_misleads():
    """Fixes with which a file runs, and that are not what people accepted."""
    question = TRAIN["no_flatten"]
    lines = question.broken.source.split("\n")
    number = next(
        n for n, line in enumerate(lines, 1) if line == "        self.last = nn.Linear(100, 5)"
    )
    fix = {"edit": "nn.Linear(8, 5)", "edits": [{
        "file": "no_flatten.py", "line": number, "before": [lines[number - 1]],
        "after": [lines[number - 1].replace("100", "8")],
    }]}  # fmt: skip
    listed = with_fix(question.broken, fix)
    runs = [executed(answer) for answer in question.accepted]
    assert not is_accepted(listed, runs)
    assert why_misleading(listed, question, runs, 0) == "the output is 16×24×8×5"
    assert is_accepted(question.accepted[0], runs)
    assert not why_misleading(question.accepted[0], question, runs, 0)


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
