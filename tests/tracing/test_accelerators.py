"""Code written for an accelerator: built and run on the device of the lane, on any machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.tracing.user_code.accelerators import on_lane_device

CODE = """
import torch
from torch import nn

device = torch.device("cuda:1")


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return self.linear(x)


net = Base().to(device)
net2 = nn.DataParallel(Base(), device_ids=[0]).cuda()


class Constructor(Base):
    def __init__(self):
        with torch.device("cuda"):
            super().__init__()
        self.register_buffer("grid", torch.eye(4, device=0))
        self.bias = nn.Parameter(torch.randn(4, pin_memory=True).cuda(non_blocking=True))
        self.to("cuda")
        torch.cuda.manual_seed_all(0)
        self.fused = torch.cuda.get_device_capability()[0] >= 7

    def forward(self, x):
        return self.linear(x.cuda()) @ self.grid + self.bias


class Forward(Base):
    def forward(self, x):
        index = x.get_device()
        y = self.linear(x.to(0)) + torch.zeros(4, device=index)
        torch.cuda.synchronize()
        with torch.cuda.stream(torch.cuda.Stream()), torch.device("cuda"):
            y = y + torch.ones(4).pin_memory()
        y = y + x.new_zeros(4, device="cuda") + torch.empty_like(x, device=device)
        return y.cpu() if y.is_cuda else y.to(device, torch.float32)


class Types(Base):
    def forward(self, x):
        x = x.type(torch.cuda.HalfTensor).type("torch.cuda.FloatTensor")
        return self.linear(x) + torch.cuda.FloatTensor(4).zero_()


class Others(Base):
    def __init__(self):
        super().__init__()
        self.to("mps")

    def forward(self, x):
        torch.mps.synchronize()
        return self.linear(x.to("mps")) + torch.zeros(4, device="xpu")
"""
CASES = [  # the file asks for cuda when it is imported
    ("net", 20, "cuda"),
    ("net2", 20, "cuda"),
    ("Constructor", 24, "cuda"),
    ("Forward", 20, "cuda"),
    ("Types", 20, "cuda"),
    ("Others", 20, "cuda, mps, xpu"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "for_cuda.py"
    path.write_text(CODE)
    return path


@pytest.mark.parametrize(("name", "params", "devices"), CASES)
def test_devices_in_code_are_that_of_the_lane(
    file: Path, name: str, params: int, devices: str
) -> None:
    analysis = cnnstat.analyze(f"{file}:{name}", (2, 4))
    assert (analysis.totals.params, analysis.lane) == (params, "meta")
    assert analysis.totals.macs == 2 * 16 + (2 * 16 if name == "Constructor" else 0)
    named = [note for note in analysis.notes if "the code asks for" in note]
    lines = dict(re.findall(r"(\w+) at \S*for_cuda\.py:(\d+)", named[0]))
    assert ", ".join(lines) == devices
    for device, line in lines.items():
        text = CODE.splitlines()[int(line) - 1]
        assert device in text or "device" in text  # a variable of the file
    on_cpu = cnnstat.analyze(f"{file}:{name}", (2, 4), lane="cpu", training=True)
    assert on_cpu.totals.macs == analysis.totals.macs


def test_a_live_model_and_a_training_step(file: Path) -> None:
    class Net(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.cuda()) + torch.ones(4, device="cuda")

    net = Net(4, 4)
    assert cnnstat.analyze(net, (2, 4), training=True).totals.macs == 2 * 16
    assert cnnstat.memory(net, (2, 4)).peak_bytes > 0
    assert net.weight.device.type == "cpu"


def test_everything_is_as_before_afterwards() -> None:
    before = {name: getattr(torch.cuda, name) for name in ("synchronize", "Stream", "FloatTensor")}
    default = torch.set_default_device
    with on_lane_device() as devices:
        torch.cuda.set_device(1)
        torch.set_default_device("cuda")
        with on_lane_device():  # inside another: one set of names
            assert torch.zeros(2, device="mps").device.type == "cpu"
        assert list(devices) == ["cuda", "mps"]
    assert {name: getattr(torch.cuda, name) for name in before} == before
    assert torch.set_default_device is default
    assert torch.zeros(2).device.type == "cpu"


def test_classes_of_tensors_can_be_asked_for() -> None:
    with on_lane_device():
        assert isinstance(torch.zeros(2), torch.cuda.FloatTensor)
        assert not isinstance(torch.zeros(2), torch.cuda.HalfTensor)
