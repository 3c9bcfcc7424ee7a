"""Edits that insert text or set arguments: which comes first, and that each does what it says.

The files in `insertions/` and `settings/` say it in their heads: the first suggestion of each
error, its other places, and the output with it. All suggestions are written into copies that run
in plain PyTorch.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.diagnosis.line_edits import with_edits
from cnnstat.inputs import parse_input
from cnnstat.models.torchvision_import import make_importable

FOLDER = Path(__file__).parent
FILES = sorted((*FOLDER.glob("insertions/*.py"), *FOLDER.glob("settings/*.py")))


def faults_of(file: Path):
    with pytest.raises(cnnstat.ModelError) as caught:
        cnnstat.analyze(f"{file}:Net")
    assert caught.value.diagnosis is not None, caught.value
    return caught.value.diagnosis.errors


def executed(text: str, example: str | None = None):
    """The shape of the output on the CPU, without anything of cnnstat's."""
    make_importable()  # torchvision, whose operators may not fit this torch
    names: dict = {"__name__": "inserted"}
    exec(compile(text, "inserted.py", "exec"), names)
    made = names["Net"]
    model = made if isinstance(made, nn.Module) else made()
    texts = example or names["example_input"]
    specs = [
        parse_input(",".join(map(str, text)) if isinstance(text, tuple) else text)
        for text in ([texts] if isinstance(texts, str) else texts)
    ]
    inputs = [torch.zeros(spec.shape, dtype=getattr(torch, spec.dtype)) for spec in specs]
    with torch.no_grad():
        return tuple(model.eval()(*inputs).shape)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_comes_first_and_that_all_suggestions_work(file: Path):
    text = file.read_text()
    with pytest.raises(Exception):  # noqa: B017, PT011  # whatever torch raises for the mistake
        executed(text)
    faults = faults_of(file)
    first = [fault.fixes[0] for fault in faults]
    edits = [edit.edit.split("\n")[0] for fix in first for edit in (fix, *fix.also)]
    assert edits == re.findall(r"^(?:fix|and): (.*)$", text, re.MULTILINE)
    output = re.findall(r"^output: (.*)$", text, re.MULTILINE)
    assert ["×".join(map(str, shape)) for shape in first[-1].output] == output
    for fault in faults[:-1]:
        text = with_edits(text, fault.fixes[0].edits)
    for fix in faults[-1].fixes:
        if fix.edits:
            assert (executed(with_edits(text, fix.edits)),) == fix.output
        else:
            example = fix.edit.removeprefix("--input ")
            assert (executed(text, example),) == fix.output


def edits_of(file: Path):
    return [[fix.edit for fix in fault.fixes] for fault in faults_of(file)]


def test_two_ways_to_write_one_fix_are_shown_as_one():
    edits = edits_of(FOLDER / "settings" / "half_of_a_name.py")
    assert edits == [["nn.Linear(width, 10)", "nn.Linear(32, 2 * width)"]]


def test_the_padding_of_a_pool_is_explained():
    (fault,) = faults_of(FOLDER / "settings" / "padding_of_pool.py")
    assert fault.explanation[-1] == "padding may be at most half the kernel: 1×1"


def test_a_batch_axis_and_a_flatten_are_two_errors(tmp_path):
    source = """
from torch import nn

example_input = "3,32,32"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(16 * 15 * 15, 10)

    def forward(self, x):
        return self.fc(self.pool(self.conv(x)))
"""
    file = tmp_path / "net.py"
    file.write_text(source)
    assert edits_of(file) == [
        ["--input 1,3,32,32"],
        ["self.fc(self.pool(self.conv(x)).flatten(1))"],
    ]
    file.write_text(source.replace("self.pool(self.conv(x))", "self.pool(self.conv(x)).flatten(1)"))
    assert edits_of(file) == [["--input 1,3,32,32"]]  # no layer with the channels as examples


def test_maps_of_a_decoder_are_resized_or_padded():
    (fault,) = faults_of(FOLDER / "insertions" / "unet_odd_image.py")
    resized, padded = (" ".join(edit.edit for edit in (fix, *fix.also)) for fix in fault.fixes)
    assert resized.count("F.interpolate(") == 2
    assert padded.count("F.pad(") == 2
