"""Models in the user's own files and packages: what is built, on which input, what goes wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import cnnstat
from cnnstat.cli.main import run

MODEL = """
import torch
from torch import nn

from widths import WIDTH  # stands beside this file


class Net(nn.Module):
    def __init__(self, width=WIDTH, classes=10):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.linear = nn.Linear(width, classes)
        self.register_buffer("positions", torch.arange(4))

    def forward(self, x):
        return self.linear(self.conv(x).mean((2, 3)))


class Wide(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(4, width)

    def forward(self, x):
        return self.linear(x)


def build(classes=3):
    return Net(8, classes)


def nothing():
    return None


class ReadsBack(Net):
    def __init__(self):
        super().__init__()
        self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 3)]
        self.largest = torch.zeros(3).max().item()  # no value on meta


mlp = nn.Sequential(nn.Linear(7, 3))
number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_model.py").write_text(MODEL)
    (tmp_path / "widths.py").write_text("WIDTH = 16\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("widths", "own_model", "_cnnstat_user_own_model"):
        sys.modules.pop(name, None)


IMAGE = "1,3,32,32"


BUILT = [  # (spec, arguments, channels of the convolution, classes)
    ("own_model.py:Net", {}, 16, 10),
    ("own_model.py:Net", {"width": 4}, 4, 10),
    ("own_model.py:build", {"classes": 5}, 8, 5),
    ("own_model:build", {}, 8, 3),  # as a module
    ("./own_model.py:Net", {}, 16, 10),
    ("own_model.py:ReadsBack", {}, 16, 10),
]


@pytest.mark.parametrize(("spec", "arguments", "width", "classes"), BUILT)
def test_classes_and_factories(
    folder: Path, spec: str, arguments: dict, width: int, classes: int
) -> None:
    analysis = cnnstat.analyze(spec, IMAGE, arguments=arguments)
    # 3×3 on 3 channels; the linear layer stands on the mean over 30×30 positions
    assert analysis.totals.params == 3 * 9 * width + width + width * classes + classes
    assert analysis.totals.macs == 30 * 30 * 3 * 9 * width + width * classes
    assert (analysis.model.spec, analysis.model.source) == (spec, "python")
    assert analysis.model.arguments == arguments


def test_an_instance_is_left_untouched(folder: Path) -> None:
    analysis = cnnstat.analyze("own_model:mlp")
    assert analysis.inputs[0].shape == (1, 7)  # the first layer implies it
    weight = sys.modules["own_model"].mlp[0].weight
    assert not weight.is_meta


EXAMPLES = [
    ("(1, 3, 32, 32)", (1, 3, 32, 32)),
    ("torch.zeros(2, 3, 8, 8)", (2, 3, 8, 8)),
    ("((1, 3, 9, 9),)", (1, 3, 9, 9)),
    ("{'x': (1, 3, 10, 10)}", (1, 3, 10, 10)),
]


@pytest.mark.parametrize(("example", "shape"), EXAMPLES)
def test_example_input_of_the_file(folder: Path, example: str, shape: tuple[int, ...]) -> None:
    (folder / "own_model.py").write_text(f"{MODEL}\nexample_input = {example}\n")
    assert cnnstat.analyze("own_model.py:Net").inputs[0].shape == shape
    assert cnnstat.analyze("own_model.py:Net", IMAGE).inputs[0].shape == (1, 3, 32, 32)


def test_compare_own_with_built_in(folder: Path) -> None:
    comparison = cnnstat.compare("own_model.py:Net", "resnet18", input=IMAGE)
    assert comparison.names == ("own_model.py:Net", "resnet18")


REFUSALS = [  # (spec and options, status, what is said)
    ("own_model.py", 2, ["names a file, not a model", "Net, Wide", "own_model.py:Net"]),
    ("own_model.py:Nett", 1, ["own_model.py has no 'Nett'", "did you mean Net"]),
    ("own_modle.py:Net", 1, ["there is no file own_modle.py", "own_model.py"]),
    ("own_model.py:number", 1, ["is int"]),
    ("own_model.py:nothing", 1, ["returns NoneType"]),
    ("own_model.py:Net", 2, ["needs an input", "--input 1,3,224,224", "example_input"]),
    ("own_model.py:Wide", 2, ["'width'", "it takes (width)"]),
    ("own_model.py:Net --arg widht=3", 2, ["'widht'", "it takes (width=16, classes=10)"]),
    ("own_model.py:Net --arg width=-3", 1, ["cannot be built with width=-3", "own_model.py:11"]),
    ("own_model:mlp --arg a=1", 2, ["is a model already"]),
    ("no_such_package.models:Net", 1, ["no_such_package.models cannot be imported"]),
    ("broken.py:net", 1, ["broken.py:2", "nn.ReLu()", "AttributeError"]),
    ("comma.py:net", 1, ["comma.py:2", "invalid syntax", "^"]),
    ("leaves.py:net", 1, ["leaves.py cannot be imported", "SystemExit"]),
]


@pytest.mark.parametrize(("line", "status", "says"), REFUSALS, ids=[r[0] for r in REFUSALS])
def test_refusals(folder: Path, capsys, line: str, status: int, says: list[str]) -> None:
    head = "from torch import nn\n"
    (folder / "broken.py").write_text(f"{head}net = nn.Sequential(nn.ReLu())\n")
    (folder / "comma.py").write_text(f"{head}net = nn.Sequential(nn.ReLU() nn.ReLU())\n")
    (folder / "leaves.py").write_text("import sys\nsys.exit('no')\n")
    path = list(sys.path)
    assert run(["shapes", *line.split()]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert "fault of cnnstat" not in printed.err
    for text in says:
        assert text in printed.err
    assert sys.path == path


def test_what_a_model_prints_stays_out_of_the_result(folder: Path, capsys) -> None:
    loud = MODEL.replace("return self.linear(self", "print('forward'); return self.linear(self")
    (folder / "own_model.py").write_text(f"print('imported')\n{loud}")
    assert run(["shapes", "own_model.py:Net", "--input", IMAGE, "--format", "json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["model"]["class"] == "Net"
    assert "imported" in printed.err
    assert "forward" in printed.err
