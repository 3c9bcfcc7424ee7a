"""Another class for a live layer, fixes of several places, and what is no error of the user's.

Which fix comes first for files is in `settings/`, by test_insertions.py.
"""

from __future__ import annotations

import textwrap

import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.diagnosis.changes import Change
from cnnstat.diagnosis.line_edits import with_edits
from cnnstat.diagnosis.literals import Span
from cnnstat.diagnosis.search import together
from cnnstat.diagnosis.source_text import Replacement, place_before, replaced


def faults_of(model, *inputs):
    with pytest.raises(cnnstat.ModelError) as caught:
        cnnstat.analyze(model, *inputs)
    assert caught.value.diagnosis is not None, caught.value
    return caught.value.diagnosis.errors


# (a layer in front, the layer of the wrong class, what the user would type, an input)
LIVE = [
    (nn.Linear(8, 6), nn.BatchNorm2d(6), "net[1] = nn.BatchNorm1d(6)", (4, 8)),
    (nn.Conv2d(3, 6, 3), nn.InstanceNorm1d(6), "net[1] = nn.InstanceNorm2d(6)", (1, 3, 8, 8)),
    (nn.Conv3d(3, 6, 3), nn.Conv2d(6, 4, 3), "net[1] = nn.Conv3d(6, 4, 3)", (1, 3, 8, 8, 8)),
    (nn.Conv1d(3, 6, 3), nn.BatchNorm2d(6), "net[1] = nn.BatchNorm1d(6)", (2, 3, 12)),
]


@pytest.mark.parametrize(("first", "second", "edit", "shape"), LIVE)
def test_another_class_for_a_live_layer(first, second, edit, shape):
    (fault,) = faults_of(nn.Sequential(first, second), ",".join(map(str, shape)))
    fix = fault.fixes[0]
    assert fix.edit == edit
    names = {"net": nn.Sequential(first, second), "nn": nn}
    exec(fix.edit, names)
    with torch.no_grad():
        assert (tuple(names["net"].eval()(torch.zeros(shape)).shape),) == fix.output


def written(tmp_path, body: str):
    file = tmp_path / "net.py"
    head = "import torch\nfrom torch import nn\n\n\n"
    file.write_text(head + textwrap.dedent(body).lstrip("\n"))
    return file


def test_a_consequence_of_the_own_fix_is_part_of_it(tmp_path):
    """A wider cat makes the layer behind it too narrow: one error, fixed in two places."""
    file = written(
        tmp_path,
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.one = nn.Conv2d(3, 8, 3, padding=1)
                self.two = nn.Conv2d(3, 16, 3, padding=1)
                self.last = nn.Conv2d(8, 4, 1)

            def forward(self, x):
                return self.last(torch.cat([self.one(x), self.two(x)], dim=0))
    """,
    )
    (fault,) = faults_of(f"{file}:Net", "1,3,8,8")
    (fix,) = [fix for fix in fault.fixes if fix.also]
    assert [fix.edit, *(other.edit for other in fix.also)] == [
        "torch.cat([self.one(x), self.two(x)], dim=1)", "nn.Conv2d(24, 4, 1)",
    ]  # fmt: skip
    names: dict = {}
    exec(with_edits(file.read_text(), fix.edits), names)
    assert (tuple(names["Net"]()(torch.zeros(1, 3, 8, 8)).shape),) == fix.output


def test_two_mistakes_that_do_not_depend_on_each_other_are_two_errors(tmp_path):
    file = written(
        tmp_path,
        """
        class Net(nn.Sequential):
            def __init__(self):
                super().__init__(
                    nn.Linear(8, 32), nn.ReLU(), nn.Linear(30, 20), nn.ReLU(), nn.Linear(21, 5)
                )
    """,
    )
    faults = faults_of(f"{file}:Net", "1,8")
    assert [fault.path for fault in faults] == ["2", "4"]
    assert [fault.fixes[0].edit for fault in faults] == ["nn.Linear(32, 20)", "nn.Linear(20, 5)"]


TEXT = "a = f(1, 22)\nb = g(3)\n"
FIRST = (Replacement(Span("x.py", 1, 6, 1, 7), "1000"), Replacement(Span("x.py", 1, 9, 1, 11), "2"))


@pytest.mark.parametrize(
    ("piece", "line", "column"), [("f", 1, 4), ("2)", 1, None), ("g(3)", 2, 4), ("3", 2, 6)]
)
def test_places_before_replacements(piece, line, column):
    changed = replaced(TEXT, FIRST)
    assert changed == "a = f(1000, 2)\nb = g(3)\n"
    row = changed.split("\n")[line - 1]
    start = row.index(piece)
    place = place_before(Span("x.py", line, start, line, start + len(piece)), FIRST, TEXT)
    assert place == (
        None if column is None
        else Span("x.py", line, column, line, column + len(piece))
    )  # fmt: skip


def test_two_changes_together():
    second = Change(replacements=(Replacement(Span("x.py", 2, 6, 2, 7), "44"),))
    both = together(Change(replacements=FIRST), second, {"x.py": TEXT})
    assert both is not None
    assert replaced(TEXT, both.replacements) == "a = f(1000, 2)\nb = g(44)\n"
    inside = Change(replacements=(Replacement(Span("x.py", 1, 7, 1, 8), "9"),))
    assert together(Change(replacements=FIRST[:1]), inside, {"x.py": TEXT}) is None
