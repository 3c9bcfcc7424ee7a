"""`bench` and `measure` with data, models and losses on a GPU; `pretend` stands for one."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils import backend_registration
from torch.utils.data import DataLoader, TensorDataset

import cnnstat
from cnnstat.bench.fabric import launched
from cnnstat.bench.results import Protocol
from cnnstat.bench.sources import Sources
from cnnstat.bench.trainable import trainable_model
from cnnstat.bench.user_batches import next_of
from cnnstat.cli import main
from cnnstat.errors import UsageError

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

X = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
Y = (X.sum(1) > 0).long()


def losses(net: nn.Module, data: Any, **settings: Any) -> list[float]:
    result = cnnstat.measure(net, data=data, epochs=2, lr=0.1, batch_size=None, **settings)
    return [epoch.train_loss for epoch in result.runs[0].epochs]


def test_data_on_another_device() -> None:
    if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
        pytest.skip("this torch has no devices that are written in Python")
    program = [sys.executable, Path(__file__).with_name("pretend_device.py")]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for kind, count in (("examples", 4), ("batches", 3)):  # the first of a kind is on the CPU
        assert found[kind] == count * [found[kind][0]]
    assert "has tensors on a GPU, which worker processes cannot read" in found["error"]
    assert "try: workers=0" in found["error"]


def test_workers_that_use_the_gpu() -> None:
    def reading() -> Any:  # as torch does in a worker of the user's DataLoader
        text = "RuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA with"
        raise RuntimeError(f"Caught RuntimeError in DataLoader worker process 0.\n{text}")
        yield

    with pytest.raises(UsageError, match="my data has tensors on a GPU") as caught:
        next_of(reading(), "my data")
    assert caught.value.hint == "DataLoader(…, num_workers=0)"


class Elsewhere(nn.Module):
    """Tensors that are no buffers, as much code has them."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.LazyLinear(2)
        self.scale = torch.ones(3)
        self.more = [torch.ones(2), "sum"]

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x * self.scale) + self.more[0]


def test_all_of_a_model_and_its_loss_is_on_the_device() -> None:
    loss = nn.CrossEntropyLoss(weight=torch.ones(2))
    protocol = Protocol(data="pairs", loss="loss")
    sources = Sources({"net": Elsewhere()}, data=(X, Y), loss=loss)
    trainable = trainable_model("net", (), {}, protocol, sources)
    weights = []
    for device in ("cpu", "meta", "cpu"):  # on meta, a tensor of the CPU would be an error
        model = trainable.build(protocol, torch.device(device))
        assert model.last.weight.device.type == device
        assert model.scale.device.type == model.more[0].device.type == device
        assert trainable.objective.loss.weight.device.type == device
        weights.append(model.last.weight)
        trainable.objective.loss.weight = torch.ones(2)  # `meta` has no values to move back
    assert loss.weight.device.type == "cpu"  # the user's
    assert torch.equal(weights[0], weights[2])


@on_gpu
@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_on_a_gpu(device: str) -> None:
    x, y, weight = X.cuda(), Y.cuda(), torch.ones(2).cuda()
    net = nn.Linear(3, 2).cuda()
    for data in ((x, y), TensorDataset(x, y), DataLoader(TensorDataset(x, y), 20), (X, Y)):
        assert losses(net, data, device=device)[-1] < 1
    assert losses(net, (X, Y), device=device, loss=nn.CrossEntropyLoss(weight=weight))
    assert losses(nn.Linear(3, 2), ((x, y), (x, y)), device=device)
    with pytest.raises(UsageError, match="--workers 0"):
        losses(net, (x, y), device=device, workers=1)


@pytest.mark.parametrize("rank", ["0", "1"])
def test_more_processes_than_gpus(
    rank: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every process ends by itself; the first of the machine prints, before torchrun ends it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(main, "_SECONDS_FOR_FIRST", 0.0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    for name, value in {
        "TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "RANK": rank,
        "LOCAL_RANK": rank,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert main.run(["bench", "lenet", "--output", "never"]) == 2
    printed = """\
error: 2 processes on this machine, and 1 GPU
  each process trains on a GPU of its own
  CUDA_VISIBLE_DEVICES is '3'
  try: --nproc-per-node 1, or --device cpu
"""
    assert capsys.readouterr().err == (printed if rank == "0" else "")
    assert not Path("never").exists()


def test_a_warning_about_the_setup_of_ddp_is_not_the_users() -> None:
    def warned() -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with launched(Protocol()):
                warnings.warn("The AccumulateGrad node's stream does not match the", stacklevel=1)
                warnings.warn("The learning rate is high", stacklevel=1)
        return [str(warning.message) for warning in caught]

    assert warned() == ["The learning rate is high"]
