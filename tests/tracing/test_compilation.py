"""Compiled models, modules and functions: analysed as they were written, without the compiler."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

import cnnstat

PARAMS, MACS = 8 * 16 + 16 + 16 * 4 + 4, 2 * (8 * 16 + 16 * 4)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(8, 16)
        self.b = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(x).relu())


def in_place() -> nn.Module:
    net = Net()
    net.compile()
    return net


def layer() -> nn.Module:
    net = Net()
    net.a = torch.compile(net.a)  # type: ignore[assignment]
    return net


def layer_in_place() -> nn.Module:
    net = Net()
    net.a.compile()
    return net


class Shared(Net):
    """The module and its compiled form, as training loops have them."""

    def __init__(self) -> None:
        super().__init__()
        self.quick = torch.compile(self.a)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.quick(x).relu())


class OfFunctions(Net):
    def __init__(self) -> None:
        super().__init__()
        self.act = torch.compile(torch.relu, dynamic=True)

    @torch.compile(mode="reduce-overhead")
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.act(self.a(x)))


class InForward(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.compile(self.b)(torch.compile(torch.relu)(self.a(x)))


LIVE = [
    lambda: torch.compile(Net()), in_place, layer,
    layer_in_place, Shared, OfFunctions, InForward,
]  # fmt: skip


@pytest.mark.parametrize("lane", [None, "fake", "cpu"])
@pytest.mark.parametrize("make", LIVE)
def test_live_models(make, lane: str | None) -> None:
    net = make()
    names = list(net.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        analysis = cnnstat.analyze(net, (2, 8), lane=lane)
    assert (analysis.totals.params, analysis.totals.macs) == (PARAMS, MACS)
    assert analysis.lane == (lane or "meta")
    assert [row.path for row in analysis.layers if row.kind == "module"] == ["", "a", "b"]
    assert list(net.state_dict()) == names
    assert cnnstat.analyze(net, (2, 8), training=True, lane=lane).totals.macs == MACS


def test_forward_that_replays_a_cuda_graph() -> None:
    def graphed(orig_fwd):  # as torch/cuda/graphs.py
        def new_fwd(*args, **kwargs):
            return torch.zeros(2, 4) if args else orig_fwd(*args, **kwargs)

        new_fwd.__module__ = "torch.cuda.graphs"
        return new_fwd

    net = Net()
    net.forward = graphed(net.forward)
    net.a.forward = graphed(net.a.forward)
    replaced = net.forward
    for lane in (None, "cpu"):
        analysis = cnnstat.analyze(net, (2, 8), lane=lane)
        assert (analysis.totals.params, analysis.totals.macs) == (PARAMS, MACS)
        assert [row.path for row in analysis.layers if row.kind == "module"] == ["", "a", "b"]
    assert net.forward is replaced


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_cuda_graph() -> None:
    x = torch.randn(2, 8, device="cuda")
    net = torch.cuda.make_graphed_callables(Net().cuda(), (x,))
    assert cnnstat.analyze(net, (2, 8)).totals.macs == MACS
    assert net(x).shape == (2, 4)


def test_files(tmp_path: Path) -> None:
    (tmp_path / "compiled.py").write_text("""
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.compile(nn.Linear(8, 16))
        self.b = nn.Linear(16, 4)
        self.compile(fullgraph=True)

    @torch.compile
    def forward(self, x):
        return self.b(self.a(x).relu())


net = torch.compile(Net(), mode="max-autotune")
""")
    original = torch.compile, nn.Module.compile
    for name in ("Net", "net"):
        totals = cnnstat.analyze(f"{tmp_path}/compiled.py:{name}", (2, 8)).totals
        assert (totals.params, totals.macs) == (PARAMS, MACS)
    assert (torch.compile, nn.Module.compile) == original
    assert not hasattr(sys.modules["_cnnstat_user_compiled"].net, "_orig_mod")


def test_scripted_and_traced_models_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "scripted.py").write_text("""
import torch
from torch import nn


@torch.jit.script
def scaled(x, factor: float):
    return x.relu() * factor


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 16)
        self.b = nn.Linear(16, 4)

    def forward(self, x):
        return self.b(scaled(self.a(x), 2.0))


def script():
    return torch.jit.script(Net())


def trace():
    return torch.jit.trace(Net(), torch.zeros(1, 8))


class Part(Net):
    def __init__(self):
        super().__init__()
        self.a = torch.jit.script(self.a)


traced = torch.jit.trace(Net().eval(), torch.zeros(1, 8))
traced = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
""")
    for name in ("script", "trace", "Part", "traced"):
        analysis = cnnstat.analyze(f"{tmp_path}/scripted.py:{name}", (2, 8))
        assert (analysis.totals.params, analysis.totals.macs) == (PARAMS, MACS)
        rows = [(row.path, row.type, row.macs) for row in analysis.layers if row.kind == "module"]
        assert rows[1:] == [("a", "Linear", 2 * 8 * 16), ("b", "Linear", 2 * 16 * 4)]
        assert analysis.notes == ()


def test_saved_torchscript_is_refused_with_what_to_do(tmp_path: Path) -> None:
    for file in ("net.pt", "net.torchscript"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.script(Net()).save(tmp_path / file)
        with pytest.raises(cnnstat.ModelError, match="TorchScript archive") as caught:
            cnnstat.analyze(str(tmp_path / file), (2, 8))
        assert "torch.export.save" in str(caught.value)


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(self.conv(x)).relu() + x


class Deep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.blocks = nn.Sequential(Block(8), Block(8))
        self.rnn = nn.LSTM(8, 6, batch_first=True)
        self.fc = nn.Linear(6, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.rnn(self.blocks(self.stem(x)).flatten(2).transpose(1, 2))
        return self.fc(y.mean(1))


class Half(Deep):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = torch.jit.script(self.blocks)


@pytest.mark.filterwarnings("ignore:.*deprecated", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    ("make", "lane"),
    [
        (lambda: torch.jit.script(Deep()), "meta"),
        (lambda: torch.jit.trace(Deep(), torch.zeros(1, 3, 16, 16)), "fake"),  # h0 is a constant
        (Half, "meta"),
    ],
)
def test_live_torchscript_has_the_rows_of_its_layers(make, lane: str) -> None:
    net = make()
    before = [tensor.clone() for tensor in net.state_dict().values()]
    plain = cnnstat.analyze(Deep(), (2, 3, 16, 16), training=True)
    analysis = cnnstat.analyze(net, (2, 3, 16, 16), training=True, mode="train")
    assert analysis.lane == lane
    assert analysis.model.class_name == type(Deep() if make is not Half else net).__name__
    for figure in ("params", "macs", "exact", *(["backward_macs"] if lane == "meta" else [])):
        assert getattr(analysis.totals, figure) == getattr(plain.totals, figure)
    rows = {
        (row.path, row.type, row.config): (row.total.params, row.total.macs)
        for row in plain.layers
        if row.kind == "module" and row.depth > 0
    }
    ours = {
        (row.path, row.type, row.config if lane == "meta" else rows_config(rows, row.path)): (
            row.total.params, row.total.macs)
        for row in analysis.layers
        if row.kind == "module" and row.depth > 0
    }  # fmt: skip
    assert ours == rows
    assert len(analysis.notes) == (0 if lane == "meta" else 1)  # why it is another lane
    after = net.state_dict().values()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert cnnstat.analyze(net, (2, 3, 16, 16), lane="cpu").totals.macs == plain.totals.macs


def rows_config(rows: dict, path: str) -> str:
    """A traced module keeps no settings."""
    return next(config for name, _, config in rows if name == path)
