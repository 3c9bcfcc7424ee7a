"""Options of `bench` that have no effect beside the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import cnnstat
from cnnstat.cli.main import run
from cnnstat.errors import UsageError

X = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
Y = torch.arange(16) % 2
LOADER = DataLoader(TensorDataset(X, Y), batch_size=8)

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"inference": True, "optimizer": "adam"}, "optimizer has no effect: inference does not"),
    ({"inference": True, "lr": 0.1}, "lr has no effect: inference"),
    ({"inference": True, "momentum": 0.9}, "momentum has no effect: inference"),
    ({"inference": True, "weight_decay": 0.1}, "weight_decay has no effect: inference"),
    ({"inference": True, "schedule": "cosine"}, "schedule has no effect: inference"),
    ({"inference": True, "label_smoothing": 0.1}, "label_smoothing has no effect: inference"),
    ({"inference": True, "patience": 3}, "patience has no effect: inference"),
    ({"inference": True, "augment": True}, "augment has no effect: inference"),
    ({"inference": True, "loss": nn.MSELoss()}, "loss has no effect: inference"),
    ({"data": (X, Y), "inference": True, "test_data": (X, Y)}, "test_data has no effect: inf"),
    ({"optimizer": "sgd", "momentum": 0.9}, "momentum .* sgd has no momentum.*optimizer"),
    ({"momentum": 0.5}, "adamw has no momentum"),
    ({"data_dir": "somewhere"}, "data_dir has no effect: digits is not downloaded"),
    ({"data": (X, Y), "data_dir": "somewhere"}, "tensors is not downloaded"),
    ({"workers": 2}, "workers has no effect: digits is in memory"),
    ({"data": LOADER, "workers": 2}, "workers=?.?2 has no effect: DataLoader makes its batches"),
    ({"schedule": "OneCycleLR(max_lr=1.0)", "lr": 0.1}, "lr has no effect: max_lr of OneCycleLR"),
    ({"schedule": "CyclicLR(base_lr=0.1, max_lr=1.0)", "lr": 0.2}, "base_lr of CyclicLR"),
    ({"loss": nn.CrossEntropyLoss(), "label_smoothing": 0.1}, "loss is another loss"),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED, ids=[row[1] for row in REFUSED])
def test_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"(?s){message}"):
        cnnstat.measure(nn.Linear(3, 2) if "data" in settings else "lenet", **settings)


EFFECTIVE: list[dict[str, Any]] = [
    {"optimizer": "momentum", "momentum": 0.5},
    {"optimizer": "nesterov", "momentum": 0.9},
    {"schedule": "OneCycleLR", "lr": 0.1},
    {"schedule": "StepLR(step_size=1)", "lr": 0.1},
    {"workers": 0},
]


@pytest.mark.parametrize("settings", EFFECTIVE, ids=str)
def test_what_has_an_effect_is_taken(settings: dict[str, Any]) -> None:
    result = cnnstat.measure(nn.Linear(3, 2), data=(X, Y), epochs=2, **settings)
    assert result.runs[0].status == "finished"


NOTED: list[tuple[dict[str, Any], str]] = [
    ({"patience": 1}, "there is no test data: --patience looks at the training loss"),
    ({"patience": 2, "test_data": (X, Y)}, "--patience 2 cannot end a training of 2 epochs"),
    ({"channels_last": True}, "--channels-last has no effect"),
    ({"schedule": "StepLR(step_size=9)"}, "the learning rate was 0.001 in all steps"),
]


@pytest.mark.parametrize(("settings", "note"), NOTED, ids=[row[1] for row in NOTED])
def test_noted(settings: dict[str, Any], note: str) -> None:
    (trained,) = cnnstat.measure(nn.Linear(3, 2), data=(X, Y), epochs=2, **settings).runs
    assert any(note in each for each in trained.notes)


@pytest.mark.parametrize(("settings", "note"), NOTED, ids=[row[1] for row in NOTED])
def test_no_note_without_the_option(settings: dict[str, Any], note: str) -> None:
    (trained,) = cnnstat.measure(nn.Linear(3, 2), data=(X, Y), epochs=2).runs
    assert not any(note in each for each in trained.notes)


def test_patience_without_test_data_ends_the_training() -> None:
    """A learning rate that changes nothing: the training loss of an epoch is that before."""
    (trained,) = cnnstat.measure(
        nn.Linear(3, 2), data=(X, Y), epochs=9, patience=2, lr=1e-30, batch_size=16
    ).runs
    assert len(trained.epochs) == 3
    assert any("the training loss has not improved for 2 epochs" in n for n in trained.notes)


def test_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Defaults are no choices; what was typed is."""
    monkeypatch.chdir(tmp_path)
    assert run(["bench", "lenet", "--steps", "1", "--inference", "--format", "json"]) == 0
    assert run(["bench", "lenet", "--steps", "1", "--optimizer", "sgd", "--momentum", "0.9"]) == 2
    assert "sgd has no momentum" in capsys.readouterr().err
