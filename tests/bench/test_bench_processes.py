"""`bench` in several processes, as torchrun starts them: on the CPU they exchange over gloo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import cnnstat
from cnnstat.bench.fabric import ProcessEnded, ended_by_torchrun, has_process_ended

SMALL = """
import os
import torch
from torch import nn

class Net(nn.Sequential):
    def __init__(self, num_classes=10):
        super().__init__(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, num_classes))

class Greedy(Net):
    \"\"\"Does not fit into the memory of the second process with more than 40 examples.\"\"\"
    def forward(self, x):
        if len(x) > 40 and os.environ["RANK"] == "1":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(x)

example_input = (1, 1, 8, 8)
"""


TEXTBOOK = ("--protocol", "textbook")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.py").write_text(SMALL)


def two_processes(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone",
               "--nproc-per-node", "2", "-m", "cnnstat", "bench", *options,
               "--device", "cpu", "--format", "csv"]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("examples_per_second") == 1  # one process prints
    return done


def test_two_processes_are_one_with_twice_the_batch(tmp_path: Path) -> None:
    two_processes(
        "small.py:Net", *TEXTBOOK, "--epochs", "2", "--batch-size", "64", "--output", "two"
    )
    one = cnnstat.measure("small.py:Net", protocol="textbook", epochs=2, output="one")

    def losses(name: str) -> list[float]:
        lines = (tmp_path / name / "steps.jsonl").read_text().splitlines()
        return [json.loads(line)["loss"] for line in lines]

    assert len(losses("one")) == 24
    assert losses("two") == pytest.approx(losses("one"), rel=1e-5)
    two = json.loads((tmp_path / "two" / "summary.json").read_text())
    assert two["environment"]["processes"] == 2
    got, expected = two["runs"][0]["epochs"][-1], one.runs[0].epochs[-1]
    assert got["test_accuracy"] == expected.test_accuracy
    assert got["test_loss"] == pytest.approx(expected.test_loss, rel=1e-5)


MINE = """
import os
import torch
from torch.utils.data import DataLoader, Dataset

class Squares(Dataset):
    def __init__(self, name, count):
        self.name, self.count = name, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        with open(f"{self.name}-{os.environ['RANK']}", "a") as file:
            file.write(f"{index} ")
        return torch.full((1, 8, 8), index / self.count), index % 10

dataset, tested = Squares("train", 33), Squares("test", 23)
loader = DataLoader(dataset, batch_size=8, shuffle=True)
test_loader = DataLoader(tested, batch_size=8)

def batches():
    yield torch.zeros(4, 1, 8, 8), torch.zeros(4).long()
"""


def _read_by_both(name: str, before: int) -> list[int]:
    """The indices that two processes read, each without the ones it read `before`."""
    both = [[int(i) for i in Path(f"{name}-{rank}").read_text().split()] for rank in (0, 1)]
    assert all(len(mine) > before for mine in both)
    return sorted(index for mine in both for index in mine[before:])


def test_each_example_of_a_loader_is_in_one_process(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    done = two_processes("small.py:Net", "--data", "mine.py:loader", "--test-data",
                         "mine.py:test_loader", "--epochs", "1", "--output", "two")  # fmt: skip
    trained = _read_by_both("train", before=8 + 8)  # a batch to look at, one to try the memory
    assert len(trained) == len(set(trained)) == 32
    assert "1 of 33 examples, others in each epoch, are left out" in done.stderr
    assert _read_by_both("test", before=8) == list(range(23))
    summary = json.loads((tmp_path / "two" / "summary.json").read_text())
    assert summary["protocol"]["batch_size"] == 8
    assert sum(map(sum, summary["runs"][0]["confusion"]["counts"])) == 23


def test_batches_that_cannot_be_divided(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone",
               "--nproc-per-node", "2", "-m", "cnnstat", "bench", "small.py:Net", "--data",
               "mine.py:batches", "--device", "cpu"]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert "makes its own batches, which cannot be divided among processes" in done.stderr


def test_memory_that_one_process_lacks_halves_the_batch_of_all() -> None:
    done = two_processes("small.py:Greedy", *TEXTBOOK, "--minutes", "0.005", "--output", "run")
    assert [line for line in done.stderr.splitlines() if line.startswith("note: batches")] == [
        "note: batches of 128 did not fit into memory: 64 are taken",
        "note: batches of 64 did not fit into memory: 32 are taken",
    ]
    run = json.loads(Path("run/summary.json").read_text())["runs"][0]
    assert (run["batch_size"], run["status"]) == (32, "finished")
    # the seconds that end it are those of both: neither waits for a step that the other leaves out
    steps = [json.loads(line) for line in Path("run/steps.jsonl").read_text().splitlines()]
    assert run["steps"] == len(steps) > 2
    assert {step["examples"] for step in steps} <= {64, 1438 % 64}


def test_the_largest_batch_is_that_of_each_process() -> None:
    done = two_processes("small.py:Net", "--batch-size", "auto", "--epochs", "1", "--output", "run")
    assert "note: batches of 719 are the largest that fit" in done.stderr  # of 1,438 examples
    run = json.loads(Path("run/summary.json").read_text())["runs"][0]
    assert (run["batch_size"], run["steps"]) == (719, 1)


def test_a_process_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """What gloo raises where another process was killed, and the signal that torchrun sends."""
    reset = RuntimeError("[third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error: Connection "
                         "reset by peer")  # fmt: skip
    assert not has_process_ended(reset)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert has_process_ended(reset)
    assert has_process_ended(torch.distributed.DistBackendError("NCCL error"))
    assert not has_process_ended(RuntimeError("shapes"))

    def wait_for_torchrun() -> None:
        with ended_by_torchrun():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    with pytest.raises(ProcessEnded, match="rank 0 of 2 cannot go on"):
        wait_for_torchrun()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
