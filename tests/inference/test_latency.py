"""`latency`: what it times, how sure its figures are, and what it refuses."""

from __future__ import annotations

import json
import random
import weakref
from math import comb
from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.cli.main import run
from cnnstat.errors import ModelError, UsageError
from cnnstat.inference import measuring
from cnnstat.inference.results import Interval, Latencies
from cnnstat.inference.samples import (
    interval_of_median,
    is_precise,
    latency_of,
    outliers,
    relative,
)
from cnnstat.inference.subject import Subject, Variant
from cnnstat.models.loaded import Loaded
from cnnstat.pipeline import load_model
from cnnstat.render import render
from cnnstat.run_config import ModelRequest
from tests.bench.test_bench import Capture

QUICK = 0.05  # seconds for a row: the figures are not what these tests are about


class Waiting(nn.Module):
    """Takes as long as it is told to, and counts its runs."""

    def __init__(self, milliseconds: float = 1.0) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)
        self.milliseconds = milliseconds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.data_ptr():
            import time

            time.sleep(self.milliseconds / 1000)
        return self.linear(x)


# ---------------------------------------------------------------- statistics


def test_the_interval_contains_the_median_as_often_as_stated() -> None:
    """Of a skewed distribution, whose median is ln 2; 95 % is the least that is stated."""
    draws = random.Random(0)
    for n in (6, 10, 25, 60):
        contained = 0
        for _ in range(1000):
            found = interval_of_median([draws.expovariate(1.0) for _ in range(n)])
            assert found is not None
            contained += found.lower <= 0.6931 <= found.upper
        assert contained >= 930, (n, contained)


def test_the_interval_is_as_narrow_as_95_percent_allow() -> None:
    for n in (6, 10, 25):
        found = interval_of_median([float(i) for i in range(n)])
        assert found is not None
        rank = int(found.lower)
        narrower = 1 - 2 * sum(comb(n, i) for i in range(rank + 2)) / 2**n
        assert narrower < 0.95, n
    assert interval_of_median([1.0, 2.0, 3.0, 4.0, 5.0]) is None


def test_more_turns_are_asked_for_while_they_differ() -> None:
    assert not is_precise([[1.0]] * 9)
    assert is_precise([[1.0]] * 10)
    assert not is_precise([[1.0], [1.2]] * 10)


def test_a_ratio_of_turns_is_free_of_what_both_share() -> None:
    """Clocks that change by half within the turns change both alike."""
    drift = [1.0 + 0.05 * i for i in range(12)]
    found = relative([[2.0 * d] for d in drift], [[d] for d in drift])
    assert (found.ratio, found.is_noise) == (2.0, False)
    noise = relative([[1.0], [1.1]] * 6, [[1.1], [1.0]] * 6)
    assert noise.is_noise
    assert relative([[2.0]], [[1.0]]).is_noise  # one turn shows nothing


def test_percentiles_need_as_many_runs() -> None:
    few = latency_of([[1.0, 2.0, 3.0]] * 3, [], 4, 5, True)
    assert (few.p90, few.p99, few.runs) == (None, None, 9)
    many = latency_of([[float(i) for i in range(1, 11)]] * 10, [], 4, 5, True)
    assert many.p90 == pytest.approx(9.1)
    assert many.p99 == pytest.approx(10.0)
    assert many.examples_per_second == pytest.approx(4 / 5.5)


def test_queued_runs_are_the_throughput_of_a_gpu() -> None:
    found = latency_of([[2.0]] * 10, [1.0, 1.0], 8, 5, True)
    assert found.examples_per_second == 8.0
    assert latency_of([[2.0]] * 10, [], None, 5, True).examples_per_second is None


def test_outliers_are_far_from_the_others() -> None:
    seconds = sorted([1.0, 1.01, 1.02, 0.99] * 25 + [5.0, 7.0])
    found = latency_of([seconds], [], 1, 0, True)
    assert outliers(seconds, found.quartiles) == found.outliers == 2
    flat = sorted([1.0] * 99 + [1.1])  # within a fifth of the median
    assert latency_of([flat], [], 1, 0, True).outliers == 0


# ---------------------------------------------------------------- measurements


def test_a_known_time_is_measured() -> None:
    result = cnnstat.latency(Waiting(5.0), inputs=[(2, 4)], device="cpu", seconds=1.0)
    (row,) = result.rows
    assert row.latency is not None
    assert row.latency.fastest >= 0.005
    assert row.latency.quartiles.median < 0.05
    assert row.latency.examples_per_second == pytest.approx(2 / row.latency.quartiles.median)
    assert row.latency.runs == len(row.latency.seconds)


def test_one_takes_twice_as_long() -> None:
    pair = (Waiting(4.0), Waiting(8.0))
    first, second = cnnstat.latency(*pair, inputs=[(1, 4)], device="cpu", seconds=1.0).rows
    assert first.relative is None
    assert second.relative is not None
    assert not second.relative.is_noise
    assert 1.5 < second.relative.ratio < 2.5


def test_the_grid_has_a_row_for_each_combination() -> None:
    result = cnnstat.latency(
        "lenet", "nin", batch_size=(1, 2), precision=("fp32", "bf16"), threads=(1, 2),
        device="cpu", seconds=QUICK,
    )  # fmt: skip
    rows = [(r.model.spec, r.precision, r.threads, r.batch_size) for r in result.rows]
    assert rows == [
        (spec, precision, threads, batch)
        for spec in ("lenet", "nin") for precision in ("fp32", "bf16")
        for threads in (1, 2) for batch in (1, 2)
    ]  # fmt: skip
    assert [row.inputs[0].shape for row in result.rows[:2]] == [(1, 1, 28, 28), (2, 1, 28, 28)]


def test_threads_and_precision_are_those_of_the_row() -> None:
    seen: set[tuple[int, torch.dtype, bool]] = set()

    class Noting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.linear(x)
            if x.data_ptr():
                seen.add((torch.get_num_threads(), y.dtype, torch.is_inference_mode_enabled()))
            return y

    before = torch.get_num_threads()
    cnnstat.latency(
        Noting(), inputs=[(1, 4)], precision=["fp32", "bf16", "fp16-true"], threads=[1, 2],
        device="cpu", seconds=QUICK,
    )  # fmt: skip
    dtypes = (torch.float32, torch.bfloat16, torch.float16)
    assert seen == {(threads, dtype, True) for threads in (1, 2) for dtype in dtypes}
    assert torch.get_num_threads() == before


def test_a_module_is_copied() -> None:
    net = Waiting(0.0).train()
    cnnstat.latency(net, inputs=[(1, 4)], precision="bf16-true", device="cpu", seconds=QUICK)
    assert net.training
    assert net.linear.weight.dtype is torch.float32


def test_inputs_of_several_kinds(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "class Two(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.table, self.out = nn.Embedding(9, 4), nn.LazyLinear(3)\n"
        "    def forward(self, ids, scale, mode):\n"
        "        assert mode == 'cat' and str(ids.dtype) == 'torch.int64'\n"
        "        return self.out(self.table(ids).mean(1)) * scale\n"
    )
    command = ["latency", f"{tmp_path}/net.py:Two", "-i", "2,5:int64", "-i", "2,1",
               "-i", "mode=cat:str", "-b", "3", "--device", "cpu", "--seconds", str(QUICK),
               "-o", str(tmp_path / "run.json")]  # fmt: skip
    assert run(command) == 0
    result = msgspec.json.decode((tmp_path / "run.json").read_bytes(), type=Latencies)
    assert [x.shape for x in result.rows[0].inputs] == [(3, 5), (3, 1)]
    assert result.rows[0].latency is not None


def test_layers_are_timed() -> None:
    (row,) = cnnstat.latency("lenet", layers=True, device="cpu", seconds=QUICK).rows
    assert row.layers is not None
    assert "conv1" in [layer.path for layer in row.layers.layers]
    assert all(layer.backward is None for layer in row.layers.layers)


def test_predictions_stand_beside() -> None:
    (row,) = cnnstat.latency(
        "nin", batch_size=4, device="cpu", seconds=QUICK, device_peaks="fp32=1T,bandwidth=10G"
    ).rows
    bound = cnnstat.roofline("nin", device_peaks="fp32=1T,bandwidth=10G", batch_size=4)
    assert row.bound_seconds == bound.seconds
    step = cnnstat.memory("nin", inference=True, batch_size=4, device="cpu")
    assert row.predicted_bytes == step.peak_bytes
    assert row.memory_bytes is None  # the allocator of a CPU does not say


def test_what_does_not_fit_is_a_row_with_the_reason(capsys: Capture) -> None:
    command = ["latency", "lenet", "--device", "cpu", "--seconds", str(QUICK)]
    assert run([*command, "-b", "1,100000000"]) == 0
    out = capsys.readouterr().out
    assert "batch 100000000: a run takes" in out
    assert run([*command, "-b", "100000000"]) == 1
    assert "lenet cannot be timed\n  a run takes" in capsys.readouterr().err


def test_memory_that_runs_out_is_a_row_and_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two batch sizes one runs out of memory; nothing of its input is left afterwards."""
    refs: list[weakref.ref[torch.Tensor]] = []

    class Hungry(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.data_ptr() and len(x) > 2:
                refs.append(weakref.ref(x))
                raise torch.OutOfMemoryError("no more")
            return x * 2

    alive: list[bool] = []
    monkeypatch.setattr(measuring, "release", lambda device: alive.append(refs[-1]() is not None))
    small, large = cnnstat.latency(
        Hungry(), inputs=[(1, 4)], batch_size=(2, 4), device="cpu", seconds=QUICK
    ).rows
    assert small.latency is not None
    assert (large.latency, large.failure) == (None, "it does not fit into memory")
    assert alive == [False]


def test_weights_are_shared_unless_their_dtype_differs() -> None:
    loaded = load_model(ModelRequest("lenet"))
    assert isinstance(loaded, Loaded)
    cpu = torch.device("cpu")
    variants = [Variant(p, 1, cpu, False, False) for p in ("fp32", "bf16", "bf16-true")]
    plain, autocast, lower = measuring.subjects_of(loaded, variants)
    assert plain.plain is autocast.plain
    assert lower.plain is not plain.plain
    assert _bytes(lower) * 2 == _bytes(plain)


def _bytes(subject: Subject) -> int:
    return sum(p.nbytes for p in subject.plain.parameters())


def test_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled model is what runs; the backend stands for inductor, which takes a minute."""
    compiled: list[nn.Module] = []

    def compile(model: nn.Module, dynamic: bool) -> nn.Module:
        compiled.append(model)
        return model

    monkeypatch.setattr(torch, "compile", compile)
    (row,) = cnnstat.latency("lenet", compile=True, device="cpu", seconds=QUICK).rows
    assert len(compiled) == 1
    assert row.latency is not None
    assert row.predicted_bytes is None  # it chooses what is kept


# ---------------------------------------------------------------- reports


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "json", "html", "latex"])
def test_reports(format: str) -> None:
    result = cnnstat.latency("lenet", batch_size=(1, 2), device="cpu", seconds=QUICK)
    text = render(result, format).text  # type: ignore[arg-type]
    assert "lenet" in text
    if format == "json":
        assert json.loads(text)["kind"] == "latency"
    if format == "html":
        assert "<svg" in text  # the throughput over batch size


def test_the_report_says_what_is_not_sure() -> None:
    result = cnnstat.latency("lenet", "lenet", device="cpu", seconds=QUICK)
    first, second = result.rows
    assert second.latency is not None
    assert second.relative is not None
    vague = msgspec.structs.replace(second.latency, interval=Interval(0.0, 1.0), outliers=3)
    chance = msgspec.structs.replace(second.relative, interval=Interval(0.9, 1.2), is_noise=True)
    rows = (first, msgspec.structs.replace(second, latency=vague, relative=chance))
    text = repr(msgspec.structs.replace(result, rows=rows))
    assert "the difference is within the noise (ratio 0.900 to 1.200)" in text
    assert "the median is known only to ±" in text
    assert f"3 of {vague.runs}, up to " in " ".join(text.split())


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-b", "0"], "--batch-size 0 is less than 1"),
        (["-b", "1;2"], "--batch-size '1;2' is no list of whole numbers"),
        (["--threads", "0"], "--threads 0 is less than 1"),
        (["--precision", "fp8"], "unknown precision 'fp8'"),
        (["--precision", ""], "a precision is missing"),
        (["--precision", "tf32"], "--precision tf32 is for GPUs"),
        (["--seconds", "nan"], "--seconds nan is no time"),
        (["--seconds", "0"], "--seconds 0 is no time"),
        (["--compile", "--layers"], "--compile fuses layers"),
        (["--device-peaks", "fp32=1"], "bandwidth"),
    ],
)
def test_refused(options: list[str], message: str, capsys: Capture) -> None:
    assert run(["latency", "lenet", "--device", "cpu", *options]) == 2
    assert message in capsys.readouterr().err


def test_no_such_device(capsys: Capture) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert run(["latency", "lenet", "--device", "cuda"]) == 2
    assert "there is no cuda device" in capsys.readouterr().err


def test_a_missing_input_is_asked_for() -> None:
    with pytest.raises(
        UsageError, match=r"cnnstat\.latency\(model, inputs=\[\(1, 3, 224, 224\)\]\)"
    ):
        cnnstat.latency(nn.Conv2d(3, 4, 3), device="cpu")


def test_no_model() -> None:
    with pytest.raises(UsageError, match="at least one model"):
        cnnstat.latency()


def test_a_model_that_does_not_run(tmp_path: Path) -> None:
    class Picky(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.data_ptr():
                raise RuntimeError("not with data")
            return x

    with pytest.raises(ModelError, match="Picky does not run on cpu"):
        cnnstat.latency(Picky(), inputs=[(1, 2)], device="cpu", seconds=QUICK)
