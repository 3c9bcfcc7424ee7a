"""`cnnstat latency` beside `torch.utils.benchmark`: the same networks, in turns.

    python benchmarks/latency.py                        # on the CPU, one and two threads
    python benchmarks/latency.py --device cuda --networks resnet18,nin --batch-sizes 1,64
    python benchmarks/latency.py --compile --precision bf16-true --output latency.json

`cnnstat latency` runs a network for a twentieth of a second, then `torch.utils.benchmark.Timer` for
the same time, and so on: a machine that gets slower for a while makes both slower. The Timer runs
in blocks of 1 ms on a CPU, or single runs if they take longer; on a GPU both time single runs, and
runs that are queued without waiting for each other. A plain loop that reads the clock before and
after each run has turns too: what the Timer adds to a run of a fifth of a millisecond, and what a
busy machine adds to the mean of a block, is not the network's. The ratios are those of the medians;
several rounds give their spread. `--null` has the Timer in both places: what differs then is the
noise of the comparison. `--clock processor` has all read the processor's time, to which other
processes on the machine add nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import torch
from torch import nn
from torch.utils.benchmark import Timer
from torch.utils.benchmark.utils.common import set_torch_threads
from torch.utils.benchmark.utils.timer import timer as timer_clock

import cnnstat
from cnnstat.bench.fabric import matmul_precision
from cnnstat.inference import subject
from cnnstat.pipeline import load_model
from cnnstat.run_config import ModelRequest

SHAPES = {"lenet": (1, 28, 28), "nin": (1, 224, 224)}
IMAGE = (3, 224, 224)
TURN, BLOCK = 0.05, 0.001  # seconds
DTYPES = {"bf16-true": torch.bfloat16, "fp16-true": torch.float16}


@dataclass(frozen=True)
class Row:
    """Seconds are medians; ratios are cnnstat's by the other's, the middle of the rounds."""

    network: str
    batch: int
    threads: int
    precision: str
    kind: str
    by_hand: float
    timer: float
    cnnstat: float
    to_hand: float
    to_timer: float
    least: float
    most: float
    runs: int


class Turns:
    """The turns of the Timer, between those of cnnstat: single runs, and queued ones on a GPU."""

    def __init__(self, network: Any, images: torch.Tensor, threads: int) -> None:
        self.timer = Timer(
            "network(images)", globals={"network": network, "images": images},
            num_threads=threads, timer=clock(),
        )  # fmt: skip
        self.threads, self.clock, self.run = threads, clock(), lambda: network(images)
        self.on_cpu = images.device.type == "cpu"
        self.wait = (lambda: None) if self.on_cpu else torch.cuda.synchronize
        self.by_hand: list[float] = []
        self.queued_by_hand: list[float] = []
        self.single: list[float] = []
        self.queued: list[float] = []
        with torch.inference_mode():
            self.each = self.timer.timeit(5).median

    def take(self, stage: Any = None) -> None:
        """As many runs as fit into a turn; called with the events of `cnnstat.latency`."""
        runs = max(1, round(TURN / self.each))
        with torch.inference_mode():
            block = max(1, round(BLOCK / self.each)) if self.on_cpu else 1
            # the Timer runs twice before it measures a block
            blocks = range(max(1, runs // (block + 2)))
            self.single += [self.timer.timeit(block).median for _ in blocks]
            if not self.on_cpu:
                self.queued.append(self.timer.timeit(runs).median)
        with torch.inference_mode(), set_torch_threads(self.threads):
            self.by_hand += [self.seconds(1) for _ in range(runs)]
            if not self.on_cpu:
                self.queued_by_hand.append(self.seconds(runs))

    def seconds(self, runs: int) -> float:
        """The seconds of a run, of several that do not wait for each other."""
        self.wait()
        start = self.clock()
        for _ in range(runs):
            self.run()
        self.wait()
        return (self.clock() - start) / runs


def clock() -> Callable[[], float]:
    """The clock that both read."""
    found: Callable[[], float] = subject.perf_counter
    return found if found is process_time else timer_clock


def built(name: str) -> nn.Module:
    loaded = load_model(ModelRequest(name, (), {}, {}, ""))
    torch.manual_seed(0)
    return loaded.builders.with_data().eval()  # type: ignore[union-attr]


def measured(
    name: str, batch: int, threads: int, options: argparse.Namespace
) -> list[tuple[str, float, float, float, int]]:
    """One round: for each kind of run the medians by hand, of the Timer and of cnnstat."""
    shape = (batch, *SHAPES.get(name, IMAGE))
    dtype = DTYPES.get(options.precision, torch.float32)
    network: Any = built(name).to(options.device, dtype)
    images = torch.rand(shape, device=options.device, dtype=dtype)
    if options.compile:
        torch.compiler.reset()
        network = torch.compile(network, dynamic=False)
    with matmul_precision("fp32"):
        turns = Turns(network, images, threads)
        if options.null:
            others = Turns(network, images, threads)
            for _ in range(round(options.seconds / TURN / 2)):
                turns.take()
                others.take()
            pairs = [("single", turns.by_hand, turns.single, others.single)]
            if not turns.on_cpu:
                pairs.append(("queued", turns.queued_by_hand, turns.queued, others.queued))
            return [(k, median(a), median(b), median(c), len(c)) for k, a, b, c in pairs]
        result = cnnstat.latency(
            built(name), inputs=[shape], precision=options.precision, device=options.device,
            threads=threads if turns.on_cpu else (), compile=options.compile,
            seconds=options.seconds, watch=turns.take,
        )  # fmt: skip
    found = result.rows[0].latency
    assert found is not None
    own = found.quartiles.median
    rows = [("single", median(turns.by_hand), median(turns.single), own, found.runs)]
    if found.back_to_back is not None:
        own = found.back_to_back.median
        rows.append(("queued", median(turns.queued_by_hand), median(turns.queued), own, found.runs))
    return rows


def compared(name: str, batch: int, threads: int, options: argparse.Namespace) -> list[Row]:
    rounds = [measured(name, batch, threads, options) for _ in range(options.rounds)]
    rows = []
    for same in zip(*rounds, strict=True):
        to_timer = [own / timer for _, _, timer, own, _ in same]
        rows.append(Row(
            name, batch, threads, options.precision, same[0][0],
            *(median(row[place] for row in same) for place in (1, 2, 3)),
            median(own / by_hand for _, by_hand, _, own, _ in same),
            median(to_timer), min(to_timer), max(to_timer), sum(runs for *_, runs in same),
        ))  # fmt: skip
    return rows


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--networks", default="lenet,nin,resnet18,mobilenet_v2")
    parser.add_argument("--batch-sizes", type=numbers, default=[1, 8])
    parser.add_argument("--threads", type=numbers, default=None, help="on the CPU: 1,2")
    parser.add_argument("--precision", default="fp32", choices=["fp32", *DTYPES])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="at most, of a round, for each")
    parser.add_argument("--null", action="store_true", help="the Timer beside itself")
    parser.add_argument("--clock", choices=["wall", "processor"], default="wall")
    parser.add_argument("--output", help="a JSON file of the rows")
    options = parser.parse_args(arguments)
    if options.clock == "processor":
        subject.perf_counter = process_time  # type: ignore[assignment]
    threads = options.threads or ([1, 2] if options.device == "cpu" else [1])
    where = torch.cuda.get_device_name() if options.device == "cuda" else "the CPU"
    print(f"cnnstat latency beside torch.utils.benchmark on {where}, torch {torch.__version__}, "
          f"{options.precision}{', compiled' if options.compile else ''}, "
          f"{options.rounds} rounds, {options.clock} clock\n")  # fmt: skip
    print("| network | batch | threads | runs | by hand | Timer | cnnstat | to by hand | to Timer "
          "(least to most) | n |")  # fmt: skip
    print("| --- " * 10 + "|", flush=True)
    rows: list[Row] = []
    for name, count, batch in product(options.networks.split(","), threads, options.batch_sizes):
        for row in compared(name, batch, count, options):
            rows.append(row)
            print(f"| {name} | {batch} | {count if options.device == 'cpu' else '-'} | {row.kind} "
                  f"| {1e3 * row.by_hand:.3f} ms | {1e3 * row.timer:.3f} ms "
                  f"| {1e3 * row.cnnstat:.3f} ms | {row.to_hand:.3f} | {row.to_timer:.3f} "
                  f"({row.least:.3f} to {row.most:.3f}) | {row.runs} |", flush=True)  # fmt: skip
    print(f"\nfarthest from the Timer: {max(abs(row.to_timer - 1) for row in rows):.1%}, "
          f"from the plain loop: {max(abs(row.to_hand - 1) for row in rows):.1%}")  # fmt: skip
    if options.output:
        text = json.dumps([asdict(row) for row in rows], indent=2)
        Path(options.output).write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
