"""Models in the user's own files and packages: what is built, on which input, what goes wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

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
    ("own_model.py:Nett", 2, ["own_model.py has no 'Nett'", "did you mean Net"]),
    ("own_modle.py:Net", 2, ["there is no file own_modle.py", "own_model.py"]),
    ("own_model.py:number", 1, ["is int"]),
    ("own_model.py:nothing", 1, ["returns NoneType"]),
    ("own_model.py:Net --strict", 2, ["needs an input", "--input 1,3,224,224", "example_input"]),
    ("own_model.py:Wide", 2, ["'width'", "it takes (width)"]),
    ("own_model.py:Net --arg widht=3", 2, ["'widht'", "it takes (width=16, classes=10)"]),
    ("own_model.py:Net --arg width=-3", 1, ["cannot be built with width=-3", "own_model.py:11"]),
    ("own_model:mlp --arg a=1", 2, ["is a model already"]),
    ("no_such_package.models:Net", 2, ["there is no module 'no_such_package.models'"]),
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


OTHER_INPUTS = """
from dataclasses import dataclass

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x, mode="eval", training=False, lane=None, arguments=(), scale=1.0):
        assert mode == "cat" and training is True and lane == 5 and arguments == (20, 24)
        return self.linear(x) * scale


@dataclass
class Batch:
    x: torch.Tensor
    kind: str


class Typed(Net):
    def forward(self, batch):
        assert isinstance(batch, Batch) and batch.kind == "train"
        return self.linear(batch.x)


class Dicts(Net):
    def forward(self, samples, use_mask=True):
        assert not use_mask and samples[0]["size"] == (20, 24) and samples[1]["name"] == "b"
        return [self.linear(sample["x"]) for sample in samples]


class Nothing(Net):
    def forward(self):
        return self.linear.weight @ self.linear.weight.T


class Optional(Net):
    def forward(self, x=None):
        return self.linear(torch.zeros(7, 4) if x is None else x)


class Several(Net):
    def forward(self, x, mask, scale=1.0):
        return self.linear(x) * mask


class Lightning(Net):
    example_input_array = torch.zeros(5, 4)

    def forward(self, x):
        return self.linear(x)


def make_input():
    return {"x": torch.zeros(2, 4), "mode": "cat", "lane": 5, "arguments": (20, 24),
            "training": True}


def batch():
    return Batch(torch.zeros(6, 4), "train")


def samples():
    x = torch.zeros(2, 4)
    return [{"x": x, "size": (20, 24)}, {"x": x, "name": "b", "none": None}], False


def broken():
    raise ValueError("no data")
"""


@pytest.mark.parametrize(
    ("line", "macs"),
    [
        ("Net -i 2,4 -i mode='cat':str -i training=True -i lane=5:int -i arguments=20,24:tuple"
         " -i scale=0.5:float", 2 * 12),
        ("Net -i inputs_of_own.py:make_input", 2 * 12),
        ("Net -i inputs_of_own:make_input -i scale=2:float", 2 * 12),
        ("Typed -i inputs_of_own.py:batch", 6 * 12),  # the class is that of the model's file
        ("Dicts -i inputs_of_own.py:samples", 2 * 2 * 12),
        ("Nothing", 3 * 4 * 3),
        ("Optional", 7 * 12),
        ("Optional -i 2,4", 2 * 12),
        ("Lightning", 5 * 12),
    ],
)  # fmt: skip
def test_inputs_of_any_kind(folder: Path, capsys, line: str, macs: int) -> None:
    (folder / "inputs_of_own.py").write_text(OTHER_INPUTS)
    assert run(["shapes", *f"inputs_of_own.py:{line} -f json".split()]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["macs"] == macs


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("Net -i inputs_of_own.py:brokn", 2, ["no function 'brokn'", "did you mean broken"]),
        ("Net -i inputs_of_own.py:broken", 1, ["returns no inputs", "ValueError: no data"]),
        (
            "Several --strict",
            2,
            ["needs 2 inputs: forward takes x, mask", "--input x=SIZES --input mask="],
        ),
        ("Net -i no_such.py:batch", 2, ["there is no file no_such.py"]),
        ("Net -i 2,4 -i mode=cat", 2, ["--input mode=cat:str"]),
    ],
)
def test_refused_inputs(folder: Path, capsys, line: str, status: int, says: list[str]) -> None:
    (folder / "inputs_of_own.py").write_text(OTHER_INPUTS)
    assert run(["shapes", *f"inputs_of_own.py:{line}".split()]) == status
    printed = capsys.readouterr().err
    assert [text for text in says if text not in printed] == []


def test_parameters_with_the_names_of_our_options(folder: Path) -> None:
    (folder / "inputs_of_own.py").write_text(OTHER_INPUTS)
    named = {"mode": "cat", "training": True, "lane": 5, "arguments": (20, 24)}
    inputs = cnnstat.Inputs(cnnstat.InputSpec((2, 4)), **named)
    assert cnnstat.analyze("inputs_of_own.py:Net", inputs).totals.macs == 2 * 12

    class Named(torch.nn.Linear):
        def forward(self, x, module=None, model=None, inputs=None):  # type: ignore[override]
            assert (module, model, inputs) == ("m", 1, (2, 3))
            return super().forward(x)

    inputs = cnnstat.Inputs(torch.zeros(2, 4), module="m", model=1, inputs=(2, 3))
    assert cnnstat.analyze(Named(4, 3), inputs).totals.macs == 2 * 12
    sys.path.insert(0, str(folder))
    from inputs_of_own import Lightning, Optional  # type: ignore[import-not-found]

    sys.path.remove(str(folder))
    assert cnnstat.analyze(Optional()).totals.macs == 7 * 12
    assert cnnstat.analyze(Lightning()).totals.macs == 5 * 12
