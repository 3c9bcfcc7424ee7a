"""Layers that exist only since the first forward, or that no module registers; and modules whose
buffers a forward assigns."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import cnnstat

LANES = ["meta", "cpu"]


class Late(nn.Module):
    """The head is as wide as what comes before it."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 6)
        self.head = None

    def forward(self, x):
        x = self.first(x)
        if self.head is None:
            self.head = nn.Linear(x.shape[1], 3).to(x.device)
        return self.head(x)


class LateBlock(Late):
    def forward(self, x):
        x = self.first(x)
        if self.head is None:  # on the CPU, wherever the input is
            self.head = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
            self.head.eval()
        return self.head(x)


class LateWeight(Late):
    def forward(self, x):
        x = self.first(x)
        if self.head is None:
            del self.head
            self.head = nn.Parameter(torch.zeros(3, 6, device=x.device))
        return F.linear(x, self.head)


class LateInList(Late):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList()

    def forward(self, x):
        x = self.first(x)
        while len(self.layers) < 2:
            self.layers.append(nn.Linear(6, 6, bias=False))
        for layer in self.layers:
            x = layer(x)
        return x


FIRST = 8 * 6 + 6
CREATED = [
    (Late, {"head": 6 * 3 + 3}, 6 * 3),
    (LateBlock, {"head.0": 6 * 4 + 4, "head.1": 4 + 4, "head.2": 4 * 3 + 3}, 6 * 4 + 4 * 3),
    (LateWeight, {"head": 6 * 3}, 6 * 3),
    (LateInList, {"layers.0": 6 * 6, "layers.1": 6 * 6}, 2 * 6 * 6),
]


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize(
    ("model", "created", "macs"), CREATED, ids=lambda v: getattr(v, "__name__", "")
)
def test_parameters_created_in_forward_count(model, created, macs, lane):
    analysis = cnnstat.analyze(model(), (2, 8), lane=lane)
    assert analysis.totals.params == FIRST + sum(created.values())
    assert analysis.totals.macs == 2 * (8 * 6 + macs)
    assert analysis.totals.depth == 1 + len([n for n in created if n != "head.1"])
    rows = {layer.path: layer.params for layer in analysis.layers if layer.params}
    named = {
        ("linear" if n == "head" and model is LateWeight else n): p for n, p in created.items()
    }
    assert rows == {"first": FIRST, **named}
    for name in created:
        assert any(note.startswith(f"{name} is created in forward") for note in analysis.notes)
    assert not any("never used" in note or "gradient" in note for note in analysis.notes)


def test_a_model_is_as_before():
    model = Late()
    cnnstat.analyze(model, (2, 8))
    assert model.head is None


class Listed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1)]

    def forward(self, x):
        for layer in (*self.layers, self.layers[2]):
            x = layer(x)
        return x


class Anew(nn.Module):
    def forward(self, x):
        for _ in range(3):
            x = nn.Conv2d(3, 3, 1, bias=False).to(x.device)(x)
        return x


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize(
    ("model", "note", "macs", "depth"),
    [
        # 3·4·9 + 4 and 4·4 + 4, the latter runs twice; 98² outputs of 100² with a kernel of 3
        (Listed, "CN101: `layers` is a plain list: 132 parameters of 2 Conv2d are not trained",
         98**2 * (108 + 32), 3),
        (Anew, "CN103: Conv2d is created in every forward: its 27 parameters are new each time",
         100**2 * 27, 3),
    ],
)  # fmt: skip
def test_layers_that_no_module_registers_are_named(model, note, macs, depth, lane):
    analysis = cnnstat.analyze(model(), (1, 3, 100, 100), lane=lane)
    assert analysis.totals.params == 0
    assert analysis.totals.macs == macs
    assert analysis.totals.depth == depth
    (found,) = (n for n in analysis.notes if "CN1" in n)
    assert found.startswith(f"warning: {note}")


def test_a_module_keeps_its_name_when_a_buffer_is_assigned():
    class Running(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Linear(8, 8)
            self.weight = nn.Parameter(torch.ones(8))
            self.register_buffer("mean", torch.zeros(8))
            self.register_buffer("steps", torch.zeros(()))

        def forward(self, x):
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
            self.steps = torch.zeros(())  # on the CPU
            if not hasattr(self, "table"):
                self.register_buffer("table", torch.arange(8.0))
            return self.scale(x - self.mean + self.table) * self.weight

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = Running()

        def forward(self, x):
            return self.block(self.block(x))

    analysis = cnnstat.analyze(Twice(), (2, 8))
    assert analysis.totals.params == 8 * 8 + 8 + 8
    assert analysis.totals.buffers == 8 + 1 + 8
    calls = [(x.path, x.call) for x in analysis.layers if x.kind == "module"]
    assert calls == [("", 0), ("block", 0), ("block.scale", 0), ("block", 1), ("block.scale", 1)]
    assert not analysis.notes
