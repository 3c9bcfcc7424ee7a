"""What the loop of `cnnstat bench` costs: the same steps by it and by a plain loop, in turns.

    OMP_NUM_THREADS=1 python benchmarks/loop_overhead.py lenet

Both train the same network from the same weights on the same batches in memory; the plain loop is
what one would write by hand. Every round runs both, in changing order, and the ratio of their times
is taken within the round, so a machine that gets slower meanwhile changes neither side alone. The
time that the processor spent is stated beside: with one thread it is nearly untouched by what else
runs on the machine.
"""

from __future__ import annotations

import sys
from statistics import median
from time import perf_counter, process_time

import torch
from torch.nn import functional as F

from cnnstat.analysis.benchmark.records import Protocol, Step
from cnnstat.bench.building import subject
from cnnstat.bench.placing import placed
from cnnstat.bench.schedule import Limit
from cnnstat.bench.session import Session

ROUNDS, STEPS, BATCH = 21, 100, 128


Seconds = tuple[float, float]
"""On the clock, and of the processor."""


def now() -> Seconds:
    return perf_counter(), process_time()


def since(start: Seconds) -> Seconds:
    return perf_counter() - start[0], process_time() - start[1]


def plain(name: str) -> Seconds:
    """The time of the steps by a loop written by hand, with the same progress figures."""
    protocol = Protocol(data="synthetic", batch_size=BATCH)
    made = subject(name, (), {}, protocol)
    model = made.build(protocol).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    images, labels = made.data.train.images, made.data.train.labels
    start = now()
    for _ in range(STEPS):
        logits = model(images)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item(), (logits.argmax(1) == labels).sum().item()
    return since(start)


def ours(name: str) -> Seconds:
    """The time of the same steps by the loop of `bench`, read into records."""
    protocol = Protocol(data="synthetic", batch_size=BATCH, steps=STEPS)
    made = subject(name, (), {}, protocol)
    with placed(protocol) as fabric:
        session = Session(made, protocol, Limit(steps=STEPS), fabric)
        start = now()
        count = sum(isinstance(record, Step) for record in session.records())
        seconds = since(start)
    assert count == STEPS
    return seconds


def main(name: str) -> None:
    plain(name), ours(name)  # both have run once before any is measured
    pairs = []
    for number in range(ROUNDS):
        first, second = (plain, ours) if number % 2 else (ours, plain)
        seconds = {first: first(name)}
        seconds[second] = second(name)
        pairs.append((seconds[plain], seconds[ours]))
    print(f"{name}, batch {BATCH}, {STEPS} steps, {ROUNDS} rounds, "
          f"{torch.get_num_threads()} threads, torch {torch.__version__}")  # fmt: skip
    for place, clock in enumerate(("clock", "processor")):
        ratios = sorted(by_hand[place] / own[place] for by_hand, own in pairs)
        low, high = ratios[ROUNDS // 4], ratios[-1 - ROUNDS // 4]
        step = 1000 * median(by_hand[place] for by_hand, _ in pairs) / STEPS
        print(f"{clock}: plain loop {step:.2f} ms a step; throughput of bench relative to it "
              f"{median(ratios):.3f} (middle half {low:.3f} to {high:.3f})")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "lenet")
