"""`--log`: a CSV file, TensorBoard and Weights & Biases, the latter two as modules made here."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.errors import ModelError, UsageError

X = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
Y = (X.sum(1) > 0).long()
DATA = ((X, Y), (X[:20], Y[:20]))


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Writer:
    """As `SummaryWriter`."""

    def __init__(self, folder: str) -> None:
        self.folder, self.scalars, self.closed = folder, [], 0
        written.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


class Run:
    """As a run of wandb."""

    def __init__(self, **settings: Any) -> None:
        self.settings, self.lines, self.finished = settings, [], False
        written.append(self)

    def log(self, figures: dict[str, Any], step: int) -> None:
        self.lines.append((figures, step))

    def finish(self) -> None:
        self.finished = True


written: list[Any] = []


def stand_in(name: str, **functions: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(functions)
    return module


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    written.clear()
    name = "torch.utils.tensorboard"
    monkeypatch.setitem(sys.modules, name, stand_in(name, SummaryWriter=Writer))
    monkeypatch.setitem(sys.modules, "wandb", stand_in("wandb", init=Run))
    return written


def test_all_logs(installed: list[Any]) -> None:
    net = nn.Linear(3, 2)
    result = cnnstat.measure(net, data=DATA, epochs=2, lr=0.1, output="run",
                             log=["csv", "tensorboard", "wandb"])  # fmt: skip
    cnnstat.resume("run", net, data=DATA, epochs=3, log="csv")
    with Path("run/epochs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["epoch"], row["step"]) for row in rows] == [
        ("Linear", "1", "2"), ("Linear", "2", "4"), ("Linear", "3", "6"),
    ]  # fmt: skip
    epochs = result.runs[0].epochs
    assert [float(row["test_loss"]) for row in rows[:2]] == [e.test_loss for e in epochs]
    writer, run = installed
    assert (Path(writer.folder), writer.closed) == (Path("run/tensorboard/Linear"), 1)
    assert ("loss/train", epochs[1].train_loss, 2) in writer.scalars
    assert ("accuracy/test", epochs[1].test_accuracy, 2) in writer.scalars
    assert [step for name, _, step in writer.scalars if name == "step/loss"] == [1, 2, 3, 4]
    assert run.finished
    assert run.settings["config"]["lr"] == 0.1
    assert run.lines[-1] == (
        {"loss/train": epochs[1].train_loss, "accuracy/train": epochs[1].train_accuracy,
         "loss/test": epochs[1].test_loss, "accuracy/test": epochs[1].test_accuracy, "epoch": 2},
        4,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_package_that_is_missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setitem(sys.modules, "wandb", None)
    message = rf"{name} is needed for log=.{name}.\n.*\n.*pip install 'cnnstat\[log\]'"
    with pytest.raises(ModelError, match=message):
        cnnstat.measure(nn.Linear(3, 2), data=DATA, output="run", log=name)
    assert not Path("run").exists()


def test_refused(installed: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="unknown log 'mlflow'\n  known: tensorboard, csv"):
        cnnstat.measure(nn.Linear(3, 2), data=DATA, output="run", log="mlflow")
    with pytest.raises(UsageError, match='log="csv" writes into the folder of the run'):
        cnnstat.measure(nn.Linear(3, 2), data=DATA, log="csv")

    def fails(**settings: Any) -> None:
        raise RuntimeError("no API key")

    monkeypatch.setitem(sys.modules, "wandb", stand_in("wandb", init=fails))
    with pytest.raises(ModelError, match=r"does not start\n  RuntimeError: no API key\n.*login"):
        cnnstat.measure(nn.Linear(3, 2), data=DATA, output="run", log="wandb")
