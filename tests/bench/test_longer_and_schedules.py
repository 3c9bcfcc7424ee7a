"""`bench`: training for longer, early stopping, and torch's learning rate schedules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

import cnnstat
from cnnstat.bench.results import Step
from cnnstat.bench.torch_schedules import torch_schedule
from cnnstat.cli.main import run
from cnnstat.errors import UsageError

X = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
Y = (X.sum(1) > 0).long()
DATA = ((X, Y), (X[:20], Y[:20]))
STEPS = 3
"""of an epoch: 60 examples in batches of 20"""


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(4, 2)


def measure(**settings: Any) -> tuple[cnnstat.Benchmark, list[Step]]:
    seen: list[Step] = []

    def watch(event: object) -> None:
        seen.extend([event] if isinstance(event, Step) else [])

    return cnnstat.measure(net(), data=DATA, batch_size=20, lr=0.1, watch=watch, **settings), seen


# torch's documentation steps these two after each batch, the others after each epoch
SCHEDULES = [
    ("StepLR(2, gamma=0.5)", lambda o: lr_scheduler.StepLR(o, 2, gamma=0.5)),
    ("MultiStepLR(milestones=[1, 3])", lambda o: lr_scheduler.MultiStepLR(o, [1, 3])),
    ("ExponentialLR(0.9)", lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
    ("CosineAnnealingLR", lambda o: lr_scheduler.CosineAnnealingLR(o, 5)),
    ("OneCycleLR(max_lr=1.0)", lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=5 * STEPS)),
    ("CyclicLR(0.01, 0.1, step_size_up=4, cycle_momentum=False)",
     lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=4, cycle_momentum=False)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "build"), SCHEDULES, ids=[row[0] for row in SCHEDULES])
def test_the_rates_are_torchs_and_survive_an_interruption(text: str, build: Any) -> None:
    optimizer = torch.optim.AdamW(net().parameters(), lr=0.1)
    schedule, expected = build(optimizer), []
    for _ in range(5):
        for _ in range(STEPS):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if text.startswith(("OneCycle", "Cyclic")):
                schedule.step()
        if not text.startswith(("OneCycle", "Cyclic")):
            schedule.step()

    def stop(event: object) -> None:
        if isinstance(event, Step) and event.step == 8:  # in the third epoch
            raise KeyboardInterrupt

    rate = {} if text.startswith(("OneCycle", "Cyclic")) else {"lr": 0.1}  # they have their own
    cnnstat.measure(net(), data=DATA, batch_size=20, epochs=5, schedule=text, output="run",
                    watch=stop, **rate)  # fmt: skip
    cnnstat.resume("run", net(), data=DATA)
    lines = Path("run/steps.jsonl").read_text().splitlines()
    assert [json.loads(line)["learning_rate"] for line in lines] == pytest.approx(expected)


def test_the_rate_falls_where_the_loss_does_not() -> None:
    _, steps = measure(epochs=4, optimizer="sgd", schedule="ReduceLROnPlateau(patience=0, "
                       "threshold=10.0, threshold_mode='abs')")  # fmt: skip
    assert [step.learning_rate for step in steps[::STEPS]] == pytest.approx([0.1, 0.1, 0.01, 1e-3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepLR(2)", "unknown schedule 'stepLR'\n  did you mean StepLR"),
        ("StepLR(gama=2)", r"unexpected keyword argument 'gama'\n  torch has StepLR\(step_size, g"),
        ("StepLR(step_size=0)", r"StepLR: step_size is 0, not 1 or more\n  torch has StepLR"),
        ("StepLR", r"StepLR needs step_size\n  torch has StepLR\(step_size"),
        ("LambdaLR(1)", "unknown schedule 'LambdaLR'"),
        ("StepLR(x)", "cannot be read"),
        ("os.remove('x')", "cannot be read"),
    ],
)
def test_schedules_that_cannot_be_understood(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        torch_schedule(text)


# ---------------------------------------------------------------- longer, and shorter


@pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
def test_a_run_that_is_trained_longer_is_the_longer_run(optimizer: str) -> None:
    settings = {"optimizer": optimizer, "schedule": "ExponentialLR(0.9)"}
    longer, _ = measure(epochs=5, **settings)
    measure(epochs=2, output="run", **settings)
    result = cnnstat.resume("run", net(), data=DATA, epochs=5)
    losses = [(e.train_loss, e.test_loss) for e in result.runs[0].epochs]
    assert losses == [(e.train_loss, e.test_loss) for e in longer.runs[0].epochs]
    assert result.protocol.epochs == 5
    assert cnnstat.resume("run", net(), data=DATA).runs == result.runs  # config.json says so too
    with pytest.raises(UsageError, match="epochs=4: Linear was trained for longer already"):
        cnnstat.resume("run", net(), data=DATA, epochs=4)


def test_it_stops_when_the_loss_does_not_improve() -> None:
    result, _ = measure(epochs=50, patience=2, optimizer="sgd", weight_decay=0.5)
    (trained,) = result.runs
    losses = [epoch.test_loss or 0.0 for epoch in trained.epochs]
    best = losses.index(min(losses))
    assert len(losses) == best + 1 + 2 < 50
    assert trained.status == "finished"
    assert f"stopped after epoch {len(losses)}: the test loss has not improved for 2 epochs" in (
        trained.notes
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--patience 0", "--patience 0 is less than 1"),
        ("--label-smoothing 1", "--label-smoothing 1 is not from 0 up to 1"),
        ("--label-smoothing nan", "--label-smoothing nan is not from 0 up to 1"),
        ("--label-smoothing 0.1 --loss torch.nn:MSELoss", "--loss is another loss"),
        ("--schedule cosin", "did you mean cosine"),
        ("--resume run --lr 1", "leave out --lr"),
    ],
)
def test_refused(options: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = f"bench {options}" if "--resume" in options else f"bench lenet {options}"
    assert run(line.split()) == 2
    assert message in capsys.readouterr().err
