"""Parameters of models that are not run: rows, sharing, what to type for shapes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.cli.main import run
from cnnstat.errors import UsageError

MODEL = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(7))
        self.table = nn.Embedding(10, width)
        self.blocks = nn.ModuleList([nn.Conv2d(3, width, 3, 2), nn.BatchNorm2d(width)])
        self.out = nn.Linear(width, 10, bias=False)
        self.out.weight = self.table.weight
        self.frozen = nn.Linear(3, 3).requires_grad_(False)

    def forward(self, ids, image):
        raise RuntimeError("never run")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(MODEL)
    return tmp_path


def test_each_parameter_counts_once() -> None:
    parameters = cnnstat.parameters("net.py:Net", arguments={"width": 5})
    by_path = {module.path: module.total_params for module in parameters.modules}
    conv, norm, table, frozen = 5 * 3 * 9 + 5, 2 * 5, 10 * 5, 3 * 3 + 3
    assert by_path == {
        "": 7 + table + conv + norm + frozen, "table": table, "blocks": conv + norm,
        "blocks.0": conv, "blocks.1": norm, "out": 0, "frozen": frozen,
    }  # fmt: skip
    assert [module.path for module in parameters.modules if module.shared] == ["out"]
    totals = parameters.totals
    assert totals.params == by_path[""]
    assert totals.trainable_params == totals.params - frozen
    assert totals.param_bytes == 4 * totals.params
    assert totals.buffers == 5 + 5 + 1


def test_shapes_without_an_input_shows_them(capsys) -> None:
    assert run(["shapes", "net.py:Net"]) == 0
    shown = capsys.readouterr().out
    for text in (
        "net.py:Net, parameters alone", "Conv2d 3×3/2", "Linear 3→3, frozen", "shared",
        "needs 2 inputs: forward takes ids, image", "--input ids=SIZES --input image=SIZES",
        "7 parameters are the model's own", "unknown: the model was not run",
    ):  # fmt: skip
        assert text in shown
    assert run(["shapes", "net.py:Net", "-f", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["kind"] == "parameters"
    assert content["totals"]["params"] == 7 + 40 + 112 + 8 + 12


@pytest.mark.parametrize("option", ["--strict", "--training", "--object=3"])
def test_options_that_need_a_run(option: str, capsys) -> None:
    assert run(["shapes", "net.py:Net", option]) == 2
    assert "needs 2 inputs" in capsys.readouterr().err


def test_models_with_inputs_and_live_ones_are_counted_too() -> None:
    assert cnnstat.parameters("lenet").totals.params == 61_706
    model = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 4))
    parameters = cnnstat.parameters(model)
    assert parameters.totals.params == 3 * 4 + 4
    assert any("lazy layers have no parameters" in note for note in parameters.notes)
    assert isinstance(model[0], nn.LazyLinear)


def test_a_graph_has_no_modules(folder: Path) -> None:
    onnx = pytest.importorskip("onnx")
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])], "net",
        [info("x", 1, [1, 3])], [info("y", 1, [1, 3])],
    )  # fmt: skip
    onnx.save(onnx.helper.make_model(graph), "net.onnx")
    with pytest.raises(UsageError, match="is a graph without modules"):
        cnnstat.parameters("net.onnx")


def test_the_model_is_left_as_it_is() -> None:
    model = nn.Linear(3, 4)
    before = model.weight
    cnnstat.parameters(model)
    assert model.weight is before
    assert torch.equal(model.weight, before)
