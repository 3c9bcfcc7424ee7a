"""What the loop of `cnnstat bench` costs: the same steps by it and by a plain loop, in turns.

    OMP_NUM_THREADS=1 python benchmarks/loop_overhead.py lenet

Both train the same network from the same weights on the same batches in memory; the plain loop is
what one would write by hand. They take steps in turns, one each in changing order, and the ratio of
their times is taken within each pair: a machine that gets slower for a while makes both slower. The
time that the processor spent is stated beside.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from torch.nn import functional as F

from cnnstat.bench.fabric import launched
from cnnstat.bench.results import Protocol, Step
from cnnstat.bench.schedule import Limit
from cnnstat.bench.session import Session
from cnnstat.bench.trainable import trainable_model

PAIRS, WARM_UP, BATCH = 2000, 50, 128

Seconds = tuple[float, float]
"""On the clock, and of the processor."""


def plain(name: str) -> Iterator[None]:
    """The steps of a loop written by hand, with the same progress figures."""
    protocol = Protocol(data="synthetic", batch_size=BATCH)
    made = trainable_model(name, (), {}, protocol)
    model = made.build(protocol).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    images, labels = made.data.train.drawn(torch.device("cpu"))
    while True:
        logits = model(images)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item(), (logits.argmax(1) == labels).sum().item()
        yield


def ours(name: str, fabric: Any) -> Iterator[None]:
    """The same steps by the loop of `bench`, read into records."""
    steps = WARM_UP + PAIRS
    protocol = Protocol(data="synthetic", batch_size=BATCH, steps=steps)
    made = trainable_model(name, (), {}, protocol)
    for record in Session(made, protocol, Limit(steps=steps), fabric).records():
        if isinstance(record, Step):
            yield


def taken(steps: Iterator[None]) -> Seconds:
    """The time of the next step."""
    start = perf_counter(), process_time()
    next(steps)
    return perf_counter() - start[0], process_time() - start[1]


def main(name: str) -> None:
    with launched(Protocol(data="synthetic", batch_size=BATCH)) as fabric:
        by_hand, own = plain(name), ours(name, fabric)
        for steps in (by_hand, own):
            for _ in range(WARM_UP):
                next(steps)
        pairs = []
        for number in range(PAIRS):
            if number % 2:
                first = taken(by_hand)
                pairs.append((first, taken(own)))
            else:
                first = taken(own)
                pairs.append((taken(by_hand), first))
    print(f"{name}, batch {BATCH}, {PAIRS} steps of each in turns, "
          f"{torch.get_num_threads()} threads, torch {torch.__version__}")  # fmt: skip
    for place, clock in enumerate(("clock", "processor")):
        ratios = sorted(hand[place] / ours[place] for hand, ours in pairs)
        low, high = ratios[PAIRS // 4], ratios[-1 - PAIRS // 4]
        step = 1000 * median(hand[place] for hand, _ in pairs)
        whole = sum(hand[place] for hand, _ in pairs) / sum(ours[place] for _, ours in pairs)
        print(f"{clock}: plain loop {step:.2f} ms a step; throughput of bench relative to it "
              f"{median(ratios):.3f} (middle half {low:.3f} to {high:.3f}), of all steps "
              f"{whole:.3f}")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "lenet")
