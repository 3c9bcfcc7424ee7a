"""The closed sets: each written once, and taken alike by every command and public function."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.bench.results import Protocol
from cnnstat.bench.schedule import base_rate, optimizer_of
from cnnstat.choices import (
    DEVICE_KINDS,
    LANES,
    MODES,
    OPTIMIZERS,
    PRECISIONS,
    BenchPrecision,
    LaneOrAuto,
    MemoryPrecision,
    OptimizerName,
    RooflinePrecision,
    TrainingDevice,
    learning_rates,
    precisions_of,
)
from cnnstat.cli.main import run
from cnnstat.errors import UsageError
from cnnstat.render import render

SOURCE = Path(cnnstat.__file__).parent
NET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, in_channels=1, num_classes=10):
        super().__init__(nn.Flatten(), nn.Linear(64 * in_channels, num_classes))

example_input = (1, 1, 8, 8)
"""
SYNTHETIC = {"data": "synthetic", "steps": 2, "batch_size": 8, "device": "cpu"}

CALLS: dict[str, Callable[..., object]] = {
    "memory": lambda **given: cnnstat.memory("net.py:Net", **given),
    "roofline": lambda **given: cnnstat.roofline(
        "net.py:Net", device="h100", training="optimizer" in given, **given
    ),
    "bench": lambda **given: cnnstat.measure("net.py:Net", **SYNTHETIC, **given),
}
LINES = {
    "memory": "memory net.py:Net --optimizer {}",
    "roofline": "roofline net.py:Net --device h100 --training --optimizer {}",
    "bench": "bench net.py:Net --data synthetic --steps 2 --batch-size 8 --device cpu "
    "--optimizer {}",
}


@pytest.fixture(autouse=True)
def in_folder_of_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


# ---------------------------------------------------------------- optimizers


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("command", LINES)
def test_every_command_takes_every_optimizer(
    command: str, optimizer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(LINES[command].format(optimizer).split()) == 0
    text = capsys.readouterr().out
    assert (optimizer if command == "bench" else OPTIMIZERS[optimizer].title) in text


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("command", CALLS)
def test_every_public_function_takes_every_optimizer(command: str, optimizer: str) -> None:
    result = CALLS[command](optimizer=optimizer)
    record = json.loads(render(result, "json").text)
    assert record.get("protocol", record)["optimizer"] == optimizer


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_update_accesses_parameter_gradient_and_state(optimizer: str) -> None:
    """Reads p and g, writes p, and reads and writes each array that torch keeps for p."""
    row, weight = OPTIMIZERS[optimizer], nn.Parameter(torch.ones(3, 5))
    weight.grad = torch.ones(3, 5)
    real = getattr(torch.optim, row.torch_class)([weight], lr=0.1, **row.settings)
    real.step()
    arrays = [v for v in real.state[weight].values() if torch.is_tensor(v) and v.numel() == 15]
    assert row.accesses == 3 + 2 * len(arrays)

    step = cnnstat.roofline(nn.Linear(4, 2), "2,4", device="t4", training=True, optimizer=optimizer)
    assert step.update is not None
    assert step.update.bytes == row.accesses * 4 * 10  # 4·2 weights and 2 biases in fp32


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_bench_trains_with_the_row(optimizer: str) -> None:
    row = OPTIMIZERS[optimizer]
    protocol = Protocol(optimizer=optimizer, momentum=0.5, weight_decay=0.25)
    made = optimizer_of(protocol, nn.Linear(2, 2).parameters())
    assert type(made) is getattr(torch.optim, row.torch_class)
    assert made.defaults["lr"] == base_rate(protocol) == row.learning_rate
    assert made.defaults["weight_decay"] == 0.25
    for name, value in row.settings.items():  # --momentum is that of optimizers that have one
        assert made.defaults[name] == (0.5 if name == "momentum" else value)


def test_help_says_every_default_learning_rate() -> None:
    said = learning_rates()
    assert said.startswith("0.1; 0.001 for adam, adamw, rmsprop and radam; ")
    for name, row in OPTIMIZERS.items():
        assert row.learning_rate == 0.1 or name in said


@pytest.mark.parametrize("command", CALLS)
def test_an_unknown_optimizer_is_refused(command: str) -> None:
    with pytest.raises(UsageError, match="sgdd"):
        CALLS[command](optimizer="sgdd")


# ---------------------------------------------------------------- precisions


@pytest.mark.parametrize("command", CALLS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_functions_take_the_precisions_of_their_row(command: str, precision: str) -> None:
    on_cpu = command != "bench" or precision not in ("tf32", "fp16")  # bench needs a GPU for these
    if precision in precisions_of(command) and on_cpu:  # type: ignore[arg-type]
        CALLS[command](precision=precision)
    else:
        with pytest.raises(UsageError, match=precision):
            CALLS[command](precision=precision)


def test_every_precision_is_of_a_dtype_of_torch() -> None:
    for row in PRECISIONS.values():
        assert getattr(torch, row.lowest).itemsize == row.itemsize
        assert getattr(torch, row.parameters).itemsize == row.parameter_itemsize
        assert (row.fabric is not None) == ("bench" in row.commands)


# ---------------------------------------------------------------- written once


@pytest.mark.parametrize(
    ("names", "table"),
    [
        (OptimizerName, tuple(OPTIMIZERS)),
        (BenchPrecision, ("fp32", "tf32", "bf16", "fp16")),
        (MemoryPrecision, ("fp32", "bf16", "fp16", "bf16-true", "fp16-true")),
        (RooflinePrecision, ("fp32", "tf32", "bf16", "fp16", "fp64")),
        (LaneOrAuto, ("auto", *LANES)),
    ],
)
def test_names_are_those_of_the_table(names: object, table: tuple[str, ...]) -> None:
    assert get_args(names) == table


CLOSED = [MODES, LANES, ("auto", *LANES), DEVICE_KINDS, get_args(TrainingDevice),
          *(precisions_of(command) for command in ("bench", "memory", "roofline"))]  # fmt: skip


def test_no_closed_set_is_written_twice() -> None:
    """No other file lists one as a `Literal`, and none but the table names an optimizer's class."""
    sets = [set(names) for names in CLOSED]
    for file in SOURCE.rglob("*.py"):
        if file.name == "choices.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
                listed = {n.value for n in ast.walk(node.slice) if isinstance(n, ast.Constant)}
                assert listed not in sets, f"{file}:{node.lineno}"
                assert len(listed & set(OPTIMIZERS)) < 2, f"{file}:{node.lineno}"
            if isinstance(node, ast.Dict):
                keys = {k.value for k in node.keys if isinstance(k, ast.Constant)}
                assert len(keys & set(OPTIMIZERS)) < 2, f"{file}:{node.lineno}"
