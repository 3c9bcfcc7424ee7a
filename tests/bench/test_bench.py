"""`bench`: what it trains, in which order, what it measures, and what it refuses."""

from __future__ import annotations

import gc
import json
import math
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

import cnnstat
from cnnstat.bench import machine, runner
from cnnstat.bench.batches import Batches, Placement, _Augmentation
from cnnstat.bench.clock import Clock, clock_of
from cnnstat.bench.datasets import Data, InMemory, random_split
from cnnstat.bench.largest_batch import fitting_sizes
from cnnstat.bench.layer_times import layer_times
from cnnstat.bench.loop import EpochEnd, StepEnd
from cnnstat.bench.machine import gpu_counters, gpu_notes, times_throttled
from cnnstat.bench.prediction import predicted
from cnnstat.bench.readings import Readings
from cnnstat.bench.results import Epoch, Protocol, Spread, Step
from cnnstat.bench.runner import Started
from cnnstat.bench.schedule import Limit, rate
from cnnstat.bench.session import Session
from cnnstat.bench.timing import learning_notes, spread, timing, timing_notes, warmup, within_noise
from cnnstat.bench.trainable import trainable_model
from cnnstat.cli.main import run
from cnnstat.errors import ModelError, OutputError, UsageError

Capture = pytest.CaptureFixture[str]
CPU = Placement(torch.device("cpu"))
measure = partial(cnnstat.measure, protocol="textbook")
"""The same steps for all data: SGD with learning rate 0.1, batches of 128."""

SMALL = '''
import torch
from torch import nn

class Net(nn.Sequential):
    """No batch norm, no dropout; small and quick."""
    def __init__(self, in_channels=1, num_classes=10):
        super().__init__(nn.Flatten(), nn.Linear(64 * in_channels, 32), nn.ReLU(),
                         nn.Linear(32, num_classes))

class Dropping(nn.Sequential):
    def __init__(self, num_classes=10):
        super().__init__(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.3),
                         nn.Linear(64, num_classes))

class Fixed(nn.Sequential):
    """Takes no argument for the number of classes."""
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 7))

class Greedy(Net):
    """Does not fit into memory with more than 40 examples."""
    def forward(self, x):
        if len(x) > 40:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(x)

class Insatiable(Net):
    """Asks for 4 PiB with more than 40 examples."""
    def forward(self, x):
        if len(x) > 40:
            torch.empty(2**50)
        return super().forward(x)

example_input = (1, 1, 8, 8)
'''


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.py").write_text(SMALL)


# ---------------------------------------------------------------- the same as a plain loop


def by_hand(epochs: int, batch: int, lr: float) -> tuple[list[float], float]:
    """The losses of all steps and the test accuracy, by a loop that is written out here."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target)
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    test, train = order[:359].sort().values, order[359:].sort().values  # 20 % of 1,797 is 359.4
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    torch.manual_seed(0)
    nn.init.xavier_uniform_(model[1].weight)
    nn.init.xavier_uniform_(model[3].weight)
    losses = []
    for epoch in range(1, epochs + 1):
        shuffled = torch.randperm(1438, generator=torch.Generator().manual_seed(epoch))
        for start in range(0, 1438, batch):
            chosen = train[shuffled[start : start + batch]]
            loss = F.cross_entropy(model(images[chosen]), labels[chosen])
            losses.append(loss.item())
            for parameter, slope in zip(
                model.parameters(), torch.autograd.grad(loss, list(model.parameters())), strict=True
            ):
                parameter.data -= lr * slope
    right = (model(images[test]).argmax(1) == labels[test]).sum().item()
    return losses, right / 359


def test_it_trains_as_a_plain_loop_does() -> None:
    seen: list[Step] = []
    result = measure(
        "small.py:Net", epochs=2, watch=lambda e: seen.append(e) if isinstance(e, Step) else None
    )
    losses, accuracy = by_hand(epochs=2, batch=128, lr=0.1)
    assert len(losses) == 2 * 12  # 1,438 in batches of 128: 11 whole ones and one of 30
    assert [step.loss for step in seen] == pytest.approx(losses, rel=1e-5)
    (trained,) = result.runs
    assert trained.epochs[-1].test_accuracy == pytest.approx(accuracy)
    assert (trained.steps, trained.status, trained.params) == (24, "finished", 2410)
    assert trained.macs == 64 * 32 + 32 * 10
    assert (result.data.train, result.data.test, result.data.classes) == (1438, 359, 10)
    # the loss of an epoch is the mean over its examples
    mean = sum(s.loss * s.examples for s in seen[12:]) / 1438
    assert trained.epochs[1].train_loss == pytest.approx(mean)


def test_accumulating_is_the_larger_batch() -> None:
    def losses(**protocol: int) -> list[float]:
        return [e.train_loss for e in measure("small.py:Net", epochs=2, **protocol)
                .runs[0].epochs]  # fmt: skip

    assert losses(batch_size=32, accumulate=4) == pytest.approx(losses(batch_size=128), rel=1e-5)


# ---------------------------------------------------------------- interrupted, resumed, at the end


class Stop(Exception):
    """What ends a run in a test, as a crash would."""


@pytest.mark.parametrize("ended_by", [Stop, KeyboardInterrupt])
def test_a_resumed_run_has_the_same_losses(ended_by: type[BaseException], tmp_path: Path) -> None:
    protocol = {"epochs": 4, "optimizer": "momentum", "schedule": "cosine", "lr": 0.05,
                "augment": True}  # fmt: skip
    whole: list[Step] = []
    measure("small.py:Dropping", **protocol,
                    watch=lambda e: whole.append(e) if isinstance(e, Step) else None)  # fmt: skip

    def stop_at_step_30(event: object) -> None:
        if isinstance(event, Step) and event.step == 30:  # of 48: in the third epoch
            raise ended_by

    folder = tmp_path / "runs" / "one"
    if ended_by is Stop:
        with pytest.raises(Stop):
            measure("small.py:Dropping", output=folder, watch=stop_at_step_30, **protocol)
    else:
        part = measure("small.py:Dropping", output=folder, watch=stop_at_step_30, **protocol)
        assert part.runs[0].status == "interrupted"
        assert len(part.runs[0].epochs) == 2
        assert json.loads((folder / "summary.json").read_text())["runs"][0]["status"] == (
            "interrupted"
        )
    with (folder / "steps.jsonl").open("a") as file:
        file.write('{"model": "small.py:Dropping", "st')  # cut short by the end of the process
    torch.rand(7)  # another process has another state of the generator
    result = cnnstat.resume(folder)
    lines = [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 49))
    assert [line["loss"] for line in lines] == [step.loss for step in whole]
    assert result.runs[0].status == "finished"
    assert result.runs[0].steps == 48
    assert [epoch.epoch for epoch in result.runs[0].epochs] == [1, 2, 3, 4]


def test_what_a_folder_holds(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "two"
    result = measure("small.py:Net", "small.py:Dropping", epochs=2, output=folder)
    assert sorted(file.name for file in folder.iterdir()) == [
        "checkpoint-1.pt", "checkpoint-2.pt", "checksums.json", "config.json", "curves.svg",
        "environment.json", "report.html", "report.md", "steps.jsonl", "summary.json",
    ]  # fmt: skip
    config = json.loads((folder / "config.json").read_text())
    assert config["models"] == ["small.py:Net", "small.py:Dropping"]
    assert config["protocol"]["batch_size"] == 128
    assert json.loads((folder / "environment.json").read_text())["torch"] == torch.__version__
    assert msgspec.json.decode((folder / "summary.json").read_bytes()) == json.loads(
        msgspec.json.encode(result)
    )
    report = (folder / "report.md").read_text()
    assert "(curves.svg)" in report
    assert "small.py:Net, train" in (folder / "curves.svg").read_text()
    with pytest.raises(UsageError, match="unknown model"):
        measure("lennet", output=tmp_path / "other")
    assert not (tmp_path / "other").exists()
    with pytest.raises(OutputError, match="holds a run already"):
        measure("small.py:Net", epochs=1, output=folder)
    assert cnnstat.resume(folder).runs == result.runs  # nothing was left to do


def test_a_full_disk_keeps_what_was_measured(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full is of Linux")
    folder = tmp_path / "run"

    def fill_the_disk(event: object) -> None:
        if isinstance(event, Step) and event.step == 15:
            (folder / "steps.jsonl").rename(folder / "kept.jsonl")
            (folder / "steps.jsonl").symlink_to("/dev/full")

    with pytest.raises(OutputError, match="No space left on device") as caught:
        measure("small.py:Net", epochs=2, output=folder, watch=fill_the_disk)
    assert f'cnnstat.resume("{folder}")' in str(caught.value)
    assert len((folder / "kept.jsonl").read_text().splitlines()) == 14
    assert (folder / "checkpoint-1.pt").exists()


# ---------------------------------------------------------------- what goes wrong


def test_a_diverging_loss_stops_with_its_step(tmp_path: Path, capsys: Capture) -> None:
    status = run(["bench", "small.py:Net", "--lr", "1e6", "--output", "run"])
    out, err = capsys.readouterr()
    assert (status, out) == (1, "")
    assert "the loss diverged at step 2, epoch 1" in err
    assert "try: --lr 100000" in err
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["runs"][0]["status"] == "diverged"
    assert len(Path("run/steps.jsonl").read_text().splitlines()) == 2


def test_the_batch_is_halved_where_memory_does_not_suffice(capsys: Capture) -> None:
    notes: list[str] = []
    result = measure(
        "small.py:Greedy", epochs=1, watch=lambda e: notes.append(e) if isinstance(e, str) else None
    )
    assert notes == [
        "batches of 128 did not fit into memory: 64 are taken",
        "batches of 64 did not fit into memory: 32 are taken",
    ]
    assert result.runs[0].batch_size == 32
    assert result.runs[0].notes[:2] == tuple(notes)


@pytest.mark.parametrize(
    "models", [["small.py:Greedy"], ["small.py:Net", "small.py:Dropping", "lenet"]]
)
def test_one_session_at_a_time_is_in_memory(models: list[str]) -> None:
    alive = []

    def watch(event: object) -> None:
        if isinstance(event, Started):
            alive.append(sum(type(other) is Session for other in gc.get_objects()))

    gc.collect()
    gc.disable()  # a session lies in a cycle: nobody else is to find it here
    try:
        measure(*models, epochs=1, watch=watch)
    finally:
        gc.enable()
    assert alive == [1, 1, 1]


@pytest.mark.parametrize(
    ("limit", "most", "first", "tried", "found"),
    [
        (100, 1000, 2, [2, 4, 8, 16, 32, 64, 128, 96, 112, 104], 96),  # 104 − 96 ≤ 96 / 8
        (5, 1000, 2, [2, 4, 8, 6, 5], 5),
        (1000, 50, 2, [2, 4, 8, 16, 32, 50], 50),  # there are no more examples
        (0, 50, 2, [2, 1], 0),
        (100, 1000, 104, [104, 52, 78, 91, 97], 97),  # predicted a little too large
        (100, 1000, 90, [90, 180, 135, 112, 101], 90),  # a little too small: 101 − 90 ≤ 90 / 8
        (1000, 50, 700, [50], 50),
    ],
)
def test_the_largest_batch_is_searched_for(
    limit: int, most: int, first: int, tried: list[int], found: int
) -> None:
    seen = []

    def fits(size: int) -> bool:
        seen.append(size)
        return size <= limit

    assert ([0, *fitting_sizes(fits, most, first)])[-1] == found
    assert seen == tried


def test_the_prediction_stands_beside_what_was_measured() -> None:
    peaks = "fp32=1T,bandwidth=10G"
    result = measure("small.py:Net", steps=2, batch_size=8, device_peaks=peaks,
                             device="cpu", optimizer="adam")  # fmt: skip
    (run,) = result.runs
    assert run.prediction is not None
    # 8 images of 64 pixels: 64·32 + 32·10 MACs forward; the gradient of both weights, and of the
    # second layer's input: 64·32 + 2·32·10
    assert run.prediction.flops == 2 * 8 * (64 * 32 + 32 * 10 + 64 * 32 + 2 * 32 * 10)
    shape = (8, 1, 8, 8)
    bound = cnnstat.roofline("small.py:Net", shape, device_peaks=peaks, training=True,
                             optimizer="adam")  # fmt: skip
    held = cnnstat.memory("small.py:Net", shape, optimizer="adam", device="cpu")
    assert run.prediction.flops == bound.flops
    assert run.prediction.seconds == pytest.approx(bound.seconds)
    assert run.prediction.memory_bytes == held.peak_bytes
    assert run.timing is not None
    assert run.mfu == pytest.approx(bound.mfu(run.timing.seconds.median))
    assert run.flops_per_second == pytest.approx(bound.flops / run.timing.seconds.median)


def test_a_prediction_that_fails_costs_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise ModelError("no gradient on meta")

    monkeypatch.setattr(runner, "predicted", failing)
    (run,) = measure("small.py:Net", steps=2, batch_size=8, device="cpu").runs
    assert run.steps == 2
    assert run.timing is not None
    assert run.prediction is run.mfu is run.flops_per_second is None
    assert "nothing is predicted: no gradient on meta" in run.notes


def test_accumulated_batches_are_one_step_beside_whose_last_the_gradients_lie() -> None:
    one, two = (
        predicted(trainable_model("small.py:Net", [], {}, protocol), protocol, CPU.device, False)
        for protocol in (
            Protocol(accumulate=n, device_peaks="fp32=1T,bandwidth=10G", optimizer="momentum")
            for n in (1, 2)
        )
    )
    assert two.flops == 2 * one.flops
    update = 5 * 4 * (64 * 32 + 32 + 32 * 10 + 10) / 10e9  # p, g, m read; p, m written
    assert one.seconds is not None
    assert two.seconds == pytest.approx(2 * one.seconds - update)
    gradients = 4 * (64 * 32 + 32 + 32 * 10 + 10)
    assert one.memory_bytes is not None
    assert two.memory_bytes is not None
    assert one.memory_bytes < two.memory_bytes <= one.memory_bytes + gradients


def test_the_largest_batch_that_fits_is_found_in_another_process() -> None:
    result = measure("small.py:Insatiable", steps=2, batch_size="auto", device="cpu")
    assert result.protocol.batch_size == 40


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("bench", 2, ["at least one model"]),
        ("bench lenet --epochs 1 --steps 5", 2, ["--steps and --epochs", "one of them"]),
        ("bench lenet --minutes 0", 2, ["--minutes 0 is not positive"]),
        ("bench lenet --batch-size 0", 2, ["--batch-size 0 is less than 1"]),
        ("bench lenet --device-peaks bf16=1T,bandwidth=1G", 2, ["no fp32 peak"]),
        ("bench lenet --device-peaks h10", 2, ["unknown device 'h10'"]),
        ("bench lenet --batch-size all", 2, ["neither a whole number nor auto"]),
        ("bench lenet --lr -1", 2, ["--lr -1 is not positive"]),
        ("bench lenet --minutes inf", 2, ["--minutes inf is not positive and finite"]),
        ("bench lenet --weight-decay -1", 2, ["--weight-decay -1 is negative"]),
        ("bench lenet --weight-decay nan", 2, ["--weight-decay nan is negative"]),
        ("bench lenet --momentum 1", 2, ["--momentum 1 is not from 0 up to 1"]),
        ("bench lenet lenet", 2, ["named twice"]),
        ("bench lenet --data digit", 2, ["unknown data 'digit'", "did you mean digits"]),
        ("bench lenet --data folder:nowhere", 2, ["there is no folder nowhere"]),
        ("bench lenet --precision fp16 --device cpu", 2, ["fp16 is for GPUs"]),
        ("bench lenet --layers --compile", 2, ["--compile fuses layers"]),
        ("bench lenet --output run.json", 2, ["writes a folder"]),
        ("bench lenet --resume x", 2, ["leave out MODEL"]),
        ("bench --resume x --seed 3", 2, ["leave out --seed"]),
        ("bench --resume x", 2, ["x contains no run"]),
        ("bench lenet -i 1,1,28,28 -i 1,1,28,28", 2, ["one --input"]),
        ("bench transformers:gpt2", 1, ["transformers"]),
        ("bench small.py:Fixed", 1, ["tells 7 classes apart, digits has 10", "no argument"]),
        ("bench small.py:Net --arg num_classes=3", 1, ["tells 3 classes", "num_classes=10"]),
        ("bench lenet --input 1,1,32,32", 1, ["linear1", "576"]),
    ],
)  # fmt: skip
def test_refusal(line: str, status: int, says: list[str], capsys: Capture) -> None:
    if "transformers" in line:
        pytest.importorskip("transformers")
        status, says = 2, ["bench trains classifiers of images"]
    assert run(line.split()) == status
    out, err = capsys.readouterr()
    assert out == ""
    for part in says:
        assert part in err
    assert "Traceback" not in err
    assert "fault of cnnstat" not in err


def test_a_device_that_is_not_there(capsys: Capture) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert run(["bench", "lenet", "--device", "cuda"]) == 2
    assert "there is no cuda device" in capsys.readouterr().err


# ---------------------------------------------------------------- what is printed


def test_only_the_result_stands_on_standard_output(capsys: Capture) -> None:
    assert run(["bench", "small.py:Net", "--epochs", "1", "--format", "json"]) == 0
    out, _ = capsys.readouterr()
    result = json.loads(out)
    assert result["kind"] == "benchmark"
    assert len(result["runs"][0]["timing"]["step_seconds"]) > 0


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "latex", "html"])
def test_every_format_states_the_accuracy(format: str) -> None:
    from cnnstat.render import render

    result = measure("small.py:Net", epochs=1)
    accuracy = result.runs[0].epochs[0].test_accuracy
    assert accuracy is not None
    text = render(result, format).text  # type: ignore[arg-type]
    said = str(accuracy) if format == "csv" else f"{100 * accuracy:.1f}"
    assert said in text
    if format == "table":
        drawn = render(result, "table", width=80, coloured=True).text
        assert "⣀" in drawn or "⠤" in drawn or "⠄" in drawn or "⢕" in drawn  # the curves
        assert max(map(len, text.splitlines()[:12])) <= 100


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    "protocol",
    [
        {"optimizer": "nesterov"}, {"optimizer": "adam"}, {"optimizer": "adamw"},
        {"optimizer": "rmsprop"}, {"weight_decay": 0.1}, {"schedule": "step"},
        {"init": "default"}, {"precision": "bf16"}, {"seed": 1}, {"augment": True},
    ],
    ids=str,
)  # fmt: skip
def test_an_option_changes_what_is_learned(protocol: dict[str, object]) -> None:
    def losses(**given: object) -> tuple[float, ...]:
        result = measure("small.py:Net", epochs=2, **given)
        return tuple(epoch.train_loss for epoch in result.runs[0].epochs)

    changed = losses(**protocol)
    assert all(math.isfinite(loss) for loss in changed)
    assert changed != losses()


@pytest.mark.parametrize("protocol", [{"channels_last": True}, {"compile": True}], ids=str)
def test_an_option_for_speed_changes_nothing_that_is_learned(
    protocol: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    # inductor would take a minute to compile; everything before it is as ever
    compiled = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> torch.fx.GraphModule:
        compiled.append(graph)
        return graph

    torch.compiler.reset()  # what another test compiled would not be compiled again
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))

    def losses(**given: bool | str) -> list[float]:
        result = measure("small.py:Net", steps=6, **given)
        return [epoch.train_loss for epoch in result.runs[0].epochs]

    for precision in ("fp32", "bf16"):
        compiled.clear()
        fast = losses(precision=precision, **protocol)
        assert bool(compiled) == ("compile" in protocol)
        assert fast == pytest.approx(losses(precision=precision), rel=1e-3)


def test_steps_minutes_and_inference_end_where_they_say() -> None:
    assert measure("small.py:Net", steps=17).runs[0].steps == 17
    short = measure("small.py:Net", minutes=0.0005).runs[0]  # 30 ms
    assert short.steps > 0
    times = measure("small.py:Net", minutes=0.0005, data="synthetic").runs[0].timing
    assert times is not None
    only_forward = measure("small.py:Net", steps=12, inference=True).runs[0]
    assert (only_forward.steps, only_forward.epochs) == (12, ())
    assert only_forward.timing is not None
    assert set(only_forward.timing.phases) == {"data", "forward"}


class Ticks:
    """A clock that counts how often it is read."""

    def __init__(self) -> None:
        self.count = 0

    def now(self) -> int:
        self.count += 1
        return self.count


def test_steps_that_get_slower_are_told() -> None:
    def notes(seconds: list[float]) -> tuple[str, ...]:
        found = timing([step(number, s) for number, s in enumerate(seconds, 1)])
        assert found is not None
        return timing_notes(found)

    steady = [1.0, 1.01, 0.99] * 5
    assert notes(steady * 3) == ()
    slower = [1.2 * s for s in steady]
    (told,) = notes(steady + slower + slower)
    assert told.startswith("the steps of the last third took 20 % longer than those of the first")
    assert notes(slower + slower + steady) == ()  # faster is no throttling
    assert notes([*steady[:4], *slower[:9]]) == ()  # too few to tell


def test_throttled_clocks_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert times_throttled(tmp_path) is None
    for core, count in enumerate(["3\n", "4\n"]):
        file = tmp_path / f"cpu{core}" / "thermal_throttle" / "core_throttle_count"
        file.parent.mkdir(parents=True)
        file.write_text(count)
    assert times_throttled(tmp_path) == 7
    counts = iter([7, 9])
    monkeypatch.setattr(machine, "times_throttled", lambda: next(counts))
    (told,) = [n for n in measure("small.py:Net", steps=2).runs[0].notes if "hot" in n]
    assert "slowed its clocks down 2 times meanwhile" in told
    file.write_text("?")
    assert times_throttled(tmp_path) is None


def test_throttled_clocks_of_a_gpu_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "nvidia-smi"

    def prints(text: str) -> None:
        script.write_text(f'#!/bin/sh\necho "$@" > asked\n{text}\n')
        script.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    prints("echo 3000000, 1000000, 500000, 0")
    before = gpu_counters("GPU-1f")
    assert before == {"it was at its power limit": 3.0, "it was too hot": 0.5}
    assert "-i GPU-1f" in Path("asked").read_text()
    prints("echo 7000000, 1000000, 500000, 1500000")
    power, heat = gpu_notes(before, gpu_counters("GPU-1f"), seconds=10.0)
    assert power.endswith("because it was at its power limit, for 40 % of the time")
    assert heat.endswith("because it was too hot, for 10 % of the time")
    assert not list(gpu_notes(before, before, seconds=10.0))
    prints("echo '4000000, [N/A], 7, [N/A]'")
    assert gpu_counters("GPU-1f") == {"it was at its power limit": 4.0, "it was too hot": 7e-6}
    for text in ("echo '[N/A], [N/A], [N/A], [N/A]'", "echo Field is not valid; exit 2"):
        prints(text)
        assert gpu_counters("GPU-1f") == {}
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert gpu_counters("GPU-1f") == {}
    assert not list(gpu_notes({}, {}, seconds=10.0))


def test_layers_are_timed_by_their_own_calls() -> None:
    shared = nn.Linear(4, 4)
    model = nn.Sequential(shared, nn.Sequential(nn.ReLU(), shared))
    ticks = Ticks()
    clock = Clock(ticks.now, lambda before, after: float(after - before), waits=True)
    found = layer_times(model, lambda: model(torch.zeros(1, 4)), clock)
    # start, then a pair of readings around each of the three calls, then the end
    assert found.bare.median == 1
    assert found.hooked.median == 2 * 3 + 1
    assert found.overhead == 6
    assert [(x.path, x.type, x.seconds.median) for x in found.layers] == [
        ("0", "Linear", 2.0),  # called twice
        ("1.0", "ReLU", 1.0),
    ]
    assert not model[0]._forward_hooks
    assert not model[0]._forward_pre_hooks


def test_the_backward_pass_is_told_by_layer() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True))
            self.head = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.body(x)
            return self.head(torch.tanh(x) + x)

    model, ticks = Net(), Ticks()
    clock = Clock(ticks.now, lambda before, after: float(after - before), waits=True)
    found = layer_times(model, lambda: model(torch.zeros(1, 4)).sum().backward(), clock)
    # head; the sum before it, which counts with no layer; the ReLU; the linear layer; the end
    assert found.hooked.median == 2 * 3 + 1 + 4
    assert [(x.path, x.backward and x.backward.median) for x in found.layers] == [
        ("body.0", 1.0), ("body.1", 1.0), ("head", 1.0),
    ]  # fmt: skip


def test_a_slow_backward_pass_is_found_where_it_is() -> None:
    class Sleep(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx, gradient: torch.Tensor) -> torch.Tensor:
            time.sleep(0.01)
            return gradient

    class Slow(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return Sleep.apply(x)

    model = nn.Sequential(nn.Linear(4, 4), Slow(), nn.Linear(4, 2))
    found = layer_times(
        model, lambda: model(torch.zeros(1, 4)).sum().backward(), clock_of(torch.device("cpu"))
    )
    slow = next(layer for layer in found.layers if layer.path == "1")
    assert slow.backward.median >= 0.01
    assert slow.backward.median > 5 * sum(layer.both for layer in found.layers if layer.path != "1")


def test_layers_stand_in_the_result() -> None:
    result = measure("small.py:Net", steps=2, layers=True)
    times = result.runs[0].layers
    assert times is not None
    assert [layer.path for layer in times.layers] == ["0", "1", "2", "3"]
    without = [layer.path for layer in times.layers if layer.backward is None]
    assert without == ["0"]  # it flattens the images, which have no gradient
    assert sum(layer.both for layer in times.layers) <= times.hooked.upper
    assert "Layers of small.py:Net, batch 128" in repr(result)


def test_synthetic_data_have_the_models_input_and_no_accuracy() -> None:
    result = measure("small.py:Net", data="synthetic", steps=3, batch_size=4,
                             arguments={"num_classes": 5})  # fmt: skip
    (epoch,) = result.runs[0].epochs
    assert (epoch.train_accuracy, epoch.test_accuracy, epoch.test_loss) == (None, None, None)
    assert result.data.classes == 5


# ---------------------------------------------------------------- what a step takes


def test_every_example_is_taken_once_in_an_epoch() -> None:
    data = Data("x", InMemory(torch.zeros(103, 1, 8, 8), torch.zeros(103), 1.0), None, 10, 1)
    seen = []
    for rank in range(3):
        place = Placement(torch.device("cpu"), rank, 3)
        batches = Batches(data, (1, 8, 8), Protocol(batch_size=8, accumulate=2), place)
        plans = batches.plans(epoch=5)
        # 103 = 2 × (2 × 3 × 8) + 7: two whole steps; the rest has two examples for each process
        assert [plan.examples for plan in plans] == [48, 48, 7]
        assert [len(plan.parts) for plan in plans] == [2, 2, 1]
        seen += [int(i) for plan in plans for part in plan.parts for i in part]
    assert sorted(seen) == list(range(103))
    assert seen != sorted(seen)


def test_all_models_are_checked_before_the_first_is_trained(tmp_path: Path) -> None:
    steps: list[object] = []

    def watch(event: object) -> None:
        if isinstance(event, Step):
            steps.append(event)

    with pytest.raises(ModelError, match="pool2"):
        cnnstat.measure("lenet", "nin", input=(1, 1, 28, 28), epochs=1, watch=watch, output="both")
    assert not steps
    assert not (tmp_path / "both").exists()


def test_a_rest_of_one_example_is_left_out() -> None:
    data = Data("x", InMemory(torch.zeros(33, 1, 8, 8), torch.zeros(33), 1.0), None, 10, 1)
    batches = Batches(data, (1, 8, 8), Protocol(batch_size=8), CPU)
    assert [plan.examples for plan in batches.plans(1)] == [8, 8, 8, 8]
    assert batches.left_out == 1


def test_what_is_left_out_is_noted() -> None:
    x, y = torch.randn(17, 3), torch.arange(17) % 2
    for size, noted in ((8, True), (6, False)):
        (run,) = cnnstat.measure(nn.Linear(3, 2), data=(x, y), epochs=1, batch_size=size).runs
        note = "1 of 17 examples, others in each epoch, are left out"
        assert any(note in each for each in run.notes) == noted


def test_images_get_the_models_size_and_channels() -> None:
    white = InMemory(torch.full((4, 3, 6, 6), 255, dtype=torch.uint8), torch.zeros(4), 255.0)
    batches = Batches(Data("x", white, white, 10, 3), (1, 12, 9), Protocol(batch_size=4), CPU)
    ((images, _, _),) = batches.testing()
    assert images.shape == (4, 1, 12, 9)
    assert images.sub(1).abs().max() < 1e-6  # 0.299 + 0.587 + 0.114 = 1
    gray = InMemory(torch.full((4, 1, 6, 6), 51, dtype=torch.uint8), torch.zeros(4), 255.0)
    batches = Batches(Data("x", gray, gray, 10, 1), (3, 6, 6), Protocol(batch_size=4), CPU)
    ((images, _, _),) = batches.testing()
    assert images.shape == (4, 3, 6, 6)
    assert torch.equal(images, torch.full((4, 3, 6, 6), 0.2))  # 51 / 255


def test_augmentation_is_a_crop_of_the_padded_image_and_a_flip() -> None:
    images = torch.arange(2 * 1 * 16 * 16, dtype=torch.float32).reshape(2, 1, 16, 16) + 1
    drawn = _Augmentation(50, (16, 16), seed=0, epoch=3)
    indices = torch.tensor([7, 31])
    result = drawn(images, indices)
    for image, index, made in zip(images, indices, result, strict=True):
        top, left = drawn.shifts[index].tolist()
        padded = F.pad(image, (2, 2, 2, 2))  # an eighth of 16
        expected = padded[:, top : top + 16, left : left + 16]
        assert torch.equal(made, expected.flip(2) if drawn.flips[index] else expected)
    assert 0 < drawn.flips.float().mean() < 1
    assert drawn.shifts.min() == 0
    assert drawn.shifts.max() == 4


def test_the_split_is_fixed() -> None:
    train, test = random_split(1797)
    assert (len(train), len(test)) == (1438, 359)
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(1797))
    assert torch.equal(random_split(1797)[1], test)


# ---------------------------------------------------------------- schedules


@pytest.mark.parametrize(
    ("schedule", "share", "expected"),
    [
        ("constant", 0.9, 0.1),
        ("cosine", 0.0, 0.1),  # 0.1 · (1 + cos 0) / 2
        ("cosine", 0.5, 0.05),  # 0.1 · (1 + cos π/2) / 2
        ("cosine", 1.0, 0.0),
        ("step", 0.49, 0.1),
        ("step", 0.5, 0.01),
        ("step", 0.75, 0.001),
    ],
)
def test_rate(schedule: str, share: float, expected: float) -> None:
    assert rate(schedule, 0.1, share) == pytest.approx(expected)  # type: ignore[arg-type]


def test_limits() -> None:
    assert Limit(steps=8).share(epoch=0.5, step=2, seconds=99) == 2 / 8
    assert Limit(epochs=4).share(epoch=0.5, step=2, seconds=99) == 0.5 / 4
    assert Limit(minutes=2).share(epoch=0.5, step=2, seconds=30) == 30 / 120


# ---------------------------------------------------------------- from times to figures


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0, 1.0, 2.0], Spread(1.5, 2.0, 2.5)),
        ([1.0, 2.0, 3.0, 4.0, 5.0], Spread(2.0, 3.0, 4.0)),
        ([4.0], Spread(4.0, 4.0, 4.0)),
        ([1.0, 2.0], Spread(1.25, 1.5, 1.75)),
    ],
)
def test_spread(values: list[float], expected: Spread) -> None:
    assert spread(values) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([1.0] * 10, 0),  # two windows of five, alike
        ([9.0, 8.0, 7.0, 6.0] + [1.0] * 20, 4),  # 7, 6, 1, 1, 1: its median is that of the rest
        ([90.0] + [1.0] * 20, 1),  # the first step on a GPU
        ([1.0] * 9, None),  # too few to compare
        ([float(2**n) for n in range(20)], None),  # never settles
        ([1.04] * 5 + [1.0] * 5, 0),  # within 5 %
        ([1.06] * 5 + [1.0] * 15, 5),
        ([1.04, 1.0] * 10, 0),  # no step is slower by 5 %
    ],
)
def test_warmup(seconds: list[float], expected: int | None) -> None:
    assert warmup(seconds) == expected


def step(number: int, seconds: float, examples: int = 10) -> Step:
    phases = {"data": seconds / 4, "forward": 3 * seconds / 4}
    return Step(model="x", step=number, epoch=1, examples=examples, loss=1.0, accuracy=0.5,
                learning_rate=0.1, seconds=seconds, phases=phases)  # type: ignore[arg-type]  # fmt: skip


def test_timing_takes_whole_batches_behind_the_warmup() -> None:
    times = [8.0, 8.0, 8.0] + [2.0] * 10
    steps = [step(n, t) for n, t in enumerate(times)] + [step(99, 0.1, examples=3)]
    found = timing(steps)
    assert found is not None
    # from step 1 on the windows are 8, 8, 2, 2, 2 and 2, 2, 2, 2, 2, but step 1 and 2 take 8
    assert found.warmup_steps == 3
    assert found.step_seconds == (2.0,) * 10
    assert found.examples_per_second == 10 * 10 / (10 * 2)
    assert found.data_share == 0.25
    assert found.seconds.median == 2.0
    assert timing([]) is None


def test_noise() -> None:
    assert within_noise(Spread(1.0, 1.5, 2.0), Spread(1.9, 2.5, 3.0))
    assert not within_noise(Spread(1.0, 1.5, 2.0), Spread(2.1, 2.5, 3.0))


def test_a_model_that_has_not_learned_is_told() -> None:
    def epoch(loss: float) -> Epoch:
        return Epoch(epoch=1, step=9, train_loss=loss, train_accuracy=0.1, test_loss=None,
                     test_accuracy=None, seconds=1.0)  # fmt: skip

    (note,) = learning_notes([epoch(2.31)], classes=10)
    assert "ln 10 = 2.30" in note
    assert learning_notes([epoch(2.0)], classes=10) == ()  # 2.0 < 0.95 · 2.30
    assert learning_notes([epoch(2.5)], classes=10) == ()  # 2.5 > 1.05 · 2.30: not by guessing


def test_errors_are_those_of_the_package() -> None:
    with pytest.raises(UsageError):
        measure("lenet", data="nothing")
    with pytest.raises(UsageError, match="nowhere contains no run"):
        cnnstat.resume("nowhere")


class Behind:
    """A device that runs behind: a moment passes when it is told to, or when it is waited for."""

    def __init__(self) -> None:
        self.marked = self.reached = 0

    def now(self) -> int:
        self.marked += 1
        return self.marked

    def between(self, before: int, after: int) -> float:
        self.reached = max(self.reached, after)
        return float(after - before)

    def clock(self) -> Clock:
        return Clock(self.now, self.between, waits=False, passed=lambda m: m <= self.reached)


def taken_steps(device: Behind, count: int, held: list[int]) -> Iterator[StepEnd | EpochEnd]:
    for number in range(1, count + 1):
        laps = [(None, device.now()), ("forward", device.now())]
        held.append(number)
        yield StepEnd(1, number, 4, torch.tensor([8.0 * number]), laps, 0.1)  # type: ignore[arg-type]
    yield EpochEnd(1, count, None)


@pytest.mark.parametrize("alone", [True, False])
def test_steps_are_read_in_order_without_waiting_for_the_device(alone: bool) -> None:
    device, held = Behind(), []
    agreements: list[float] = []

    def agreed(seconds: float) -> float:
        agreements.append(seconds)
        return seconds

    readings = Readings("x", device.clock(), lambda sums: sums, agreed=agreed, alone=alone,
                        has_accuracy=False)  # fmt: skip
    read = readings.read(taken_steps(device, 50, held))
    first = next(read)
    # alone: nothing has passed until the epoch ends; together: the first 16 once 32 are sent
    assert len(held) == (50 if alone else 32)
    records = [first, *read]
    assert [r.step for r in records if isinstance(r, Step)] == [*range(1, 51)]
    assert [r.loss for r in records if isinstance(r, Step)] == [2.0 * n for n in range(1, 51)]
    assert isinstance(records[-1], Epoch)
    assert readings.seconds == 50 == sum(agreements)
    assert len(agreements) == (50 if alone else 4)  # 16, 16, 16 and the last 2


def test_steps_are_read_as_soon_as_the_device_has_passed_them() -> None:
    device, held = Behind(), []
    readings = Readings("x", device.clock(), lambda sums: sums, classes=10, has_accuracy=False)
    events = taken_steps(device, 50, held)

    def reached() -> Iterator[StepEnd | EpochEnd]:
        for event in events:
            device.reached = device.marked - 6  # two steps behind: three moments each
            yield event

    records = readings.read(reached())
    assert [next(records).step for _ in range(10)] == [*range(1, 11)]
    assert len(held) in (12, 13)
