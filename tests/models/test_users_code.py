"""What users' files do when they are imported and built: values, arguments, packages, names."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

import cnnstat

VALUES = """
import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune


class Orthogonal(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = parametrizations.orthogonal(nn.Linear(4, 4))

    def forward(self, x):
        return self.linear(x)


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.begin()

    def forward(self, x):
        return self.linear(x)


class Numpy(Base):
    def begin(self):
        self.linear.weight.data.copy_(torch.from_numpy(np.eye(4, dtype=np.float32)))
        self.mean = float(self.linear.weight.detach().numpy().mean())
        assert self.mean == 0.25  # not of uninitialised memory


class Item(Base):
    def begin(self):
        nn.init.constant_(self.linear.weight, 2.0)
        width = int(self.linear.weight.mean().item())
        assert width == 2
        self.second = nn.Linear(4, width)

    def forward(self, x):
        return self.second(self.linear(x))


class Factorized(Base):
    def begin(self):
        q, _ = torch.linalg.qr(self.linear.weight.data)
        assert torch.allclose(q @ q.T, torch.eye(4), atol=1e-5)
        self.linear.weight = nn.Parameter(q)


class Pruned(Base):
    def begin(self):
        prune.l1_unstructured(self.linear, "weight", amount=0.5)
        assert int(self.linear.weight_mask.sum()) == 8


class Assigned(Base):
    def begin(self):
        self.linear.weight.data = torch.from_numpy(np.eye(4)).float()
        self.linear.bias.data, self.other = torch.linspace(0, 1, 4), None


class AssignedAndRead(Base):
    def begin(self):
        self.linear.weight.data = torch.from_numpy(np.eye(4)).float()
        assert self.linear.weight.sum().item() == 4


class Loaded(Base):
    def begin(self):
        self.load_state_dict({"linear.weight": torch.eye(4)}, strict=False)


class Warning(Base):
    def begin(self):
        nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, norm_first=True), 1)


class Wrong(Base):
    def begin(self):
        self.linear.weight.mean().item()
        raise ValueError("wrong for good")


def quantized():
    model = nn.Sequential(nn.Linear(4, 4))
    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
"""


@pytest.mark.filterwarnings("ignore:torch.*deprecated")
@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("Numpy", 20, 2 * 16),
        ("Assigned", 20, 2 * 16),
        ("AssignedAndRead", 20, 2 * 16),
        ("Loaded", 20, 2 * 16),
        ("Item", 20 + 10, 2 * 16 + 2 * 8),
        ("Factorized", 20, 2 * 16),
        ("Pruned", 20, 2 * 16),
        ("Orthogonal", 20, None),  # and what the weight is computed with
        ("quantized", None, None),
    ],
)
def test_constructors_that_need_values(
    tmp_path: Path, name: str, params: int | None, macs: int | None
) -> None:
    (tmp_path / "values.py").write_text(VALUES)
    analysis = cnnstat.analyze(f"{tmp_path}/values.py:{name}", (2, 4))
    assert params in (None, analysis.totals.params)
    assert macs in (None, analysis.totals.macs)
    if name != "quantized":
        assert analysis.lane == "meta"


def test_torch_does_not_warn_that_values_are_missing(tmp_path: Path) -> None:
    (tmp_path / "values.py").write_text(VALUES)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert cnnstat.analyze(f"{tmp_path}/values.py:Loaded", (2, 4)).totals.params == 20


def test_a_warning_is_shown_once(tmp_path: Path) -> None:
    (tmp_path / "values.py").write_text(VALUES)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        cnnstat.analyze(f"{tmp_path}/values.py:Warning", (2, 4), lane="cpu")  # builds it twice
    assert len([w for w in shown if "enable_nested_tensor" in str(w.message)]) == 1


def test_a_constructor_that_fails_with_values_too(tmp_path: Path) -> None:
    (tmp_path / "values.py").write_text(VALUES)
    with pytest.raises(cnnstat.ModelError, match="wrong for good"):
        cnnstat.analyze(f"{tmp_path}/values.py:Wrong", (2, 4))


def test_scripts_see_no_option_of_ours(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "train.py").write_text("""
import argparse
import sys

from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--width", type=int, default=8)
width = parser.parse_args().width
assert sys.argv == [__file__], sys.argv


class Net(nn.Linear):
    def __init__(self):
        super().__init__(4, parser.parse_args().width)


def inputs():
    parser.parse_args()
    return (3, 4)
""")
    ours = ["cnnstat", "shapes", "train.py:Net", "--format", "json"]
    monkeypatch.setattr(sys, "argv", ours)
    file = f"{tmp_path}/train.py"
    assert cnnstat.analyze(f"{file}:Net", f"{file}:inputs").totals.macs == 3 * 4 * 8
    assert cnnstat.analyze(f"{file}:Net", (3, 4), lane="cpu").totals.macs == 3 * 4 * 8
    with pytest.raises(cnnstat.ShapeError) as caught:
        cnnstat.analyze(f"{file}:Net", (3, 5))
    assert caught.value.diagnosis is not None
    assert sys.argv is ours


def test_a_script_that_requires_arguments(tmp_path: Path, capsys) -> None:
    text = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('data')\np.parse_args()\n"
    )
    (tmp_path / "train.py").write_text(text)
    with pytest.raises(cnnstat.ModelError) as caught:
        cnnstat.analyze(f"{tmp_path}/train.py:Net")
    assert "it parses the command line" in str(caught.value)


def _package(folder: Path, features: int) -> Path:
    (folder / "nets" / "parts").mkdir(parents=True)
    (folder / "nets" / "__init__.py").write_text("")
    (folder / "nets" / "parts" / "__init__.py").write_text("from .block import Block\n")
    (folder / "nets" / "parts" / "block.py").write_text(
        f"from torch import nn\nfrom ..size import SIZE\n\n\n"
        f"class Block(nn.Linear):\n    def __init__(self):\n"
        f"        super().__init__({features}, SIZE)\n"
    )
    (folder / "nets" / "size.py").write_text("SIZE = 3\n")
    (folder / "nets" / "model.py").write_text(
        "from torch import nn\nfrom .parts import Block\n\n\nclass Net(nn.Sequential):\n"
        "    def __init__(self):\n        super().__init__(Block())\n"
    )
    return folder / "nets"


def test_relative_imports(tmp_path: Path) -> None:
    path = list(sys.path)
    package = _package(tmp_path / "one", 4)
    for place in ("model.py:Net", "parts/block.py:Block"):
        assert cnnstat.analyze(f"{package}/{place}", (2, 4)).totals.macs == 2 * 4 * 3
    other = _package(tmp_path / "two", 5)  # a second checkout
    assert cnnstat.analyze(f"{other}/model.py:Net", (2, 5)).totals.macs == 2 * 5 * 3
    assert cnnstat.analyze(f"{package}/model.py:Net", (2, 4)).totals.macs == 2 * 4 * 3
    with pytest.raises(cnnstat.ShapeError) as caught:
        cnnstat.analyze(f"{package}/model.py:Net", (2, 7))
    assert caught.value.diagnosis.errors[0].fixes
    (package / "__init__.py").unlink()  # a namespace package
    sys.modules.pop("nets", None)
    assert cnnstat.analyze(f"{package}/model.py:Net", (2, 4)).totals.macs == 2 * 4 * 3
    assert sys.path == path


def test_a_file_of_a_package_that_changes(tmp_path: Path) -> None:
    package = _package(tmp_path / "three", 4)
    assert cnnstat.analyze(f"{package}/model.py:Net", (2, 4)).totals.macs == 2 * 4 * 3
    file = package / "model.py"
    file.write_text(file.read_text().replace("(Block())", "(Block(), nn.Linear(3, 7))"))
    assert cnnstat.analyze(f"{package}/model.py:Net", (2, 4)).totals.macs == 2 * (4 * 3 + 3 * 7)


class Shadow(nn.Module):
    """Its attributes hide methods of `nn.Module`; torch calls none of them in a forward pass."""

    def __init__(self, **hidden: object) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        for name, value in hidden.items():
            setattr(self, name, value)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x))


HIDDEN = ["modules", "children", "parameters", "buffers", "named_modules", "named_children",
          "named_parameters", "named_buffers", "train", "eval", "state_dict", "type", "float",
          "apply", "device", "name", "zero_grad", "get_submodule"]  # fmt: skip


@pytest.mark.parametrize("training", [False, True])
def test_attributes_that_hide_methods(training: bool) -> None:
    hidden = {name: [1, 2] for name in HIDDEN}
    plain = cnnstat.analyze(Shadow(), (2, 3, 9, 9), training=training).totals
    assert cnnstat.analyze(Shadow(**hidden), (2, 3, 9, 9), training=training).totals == plain
    on_cpu = cnnstat.analyze(Shadow(**hidden), (2, 3, 9, 9), lane="cpu").totals
    assert on_cpu.macs == plain.macs
    assert cnnstat.memory(Shadow(**hidden), (2, 3, 9, 9)).peak_bytes > 0


def test_modes_that_classes_override() -> None:
    class Frozen(nn.BatchNorm2d):
        def train(self, mode: bool = True) -> Frozen:
            return super().train(False)

    class Net(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert not self[1].training
            assert self[2].training
            return super().forward(x)

    net = Net(nn.Conv2d(3, 4, 3), Frozen(4), nn.BatchNorm2d(4))
    assert cnnstat.analyze(net, (2, 3, 9, 9), mode="train").totals.macs == 2 * 49 * 4 * 27


class Nested(nn.Module):
    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inside(x)


@pytest.mark.parametrize("lane", ["meta", "cpu"])
def test_modules_nested_as_deep_as_torch_runs_them(lane: str) -> None:
    limit = sys.getrecursionlimit()
    net: nn.Module = nn.Linear(4, 4)
    for _ in range(200):
        net = Nested(net)
    net(torch.zeros(1, 4))  # torch runs it with the limit as it is
    totals = cnnstat.analyze(net, (1, 4), lane=lane, training=True).totals
    assert (totals.params, totals.macs) == (20, 16)
    assert sys.getrecursionlimit() == limit
