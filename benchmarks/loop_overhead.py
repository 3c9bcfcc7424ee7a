"""What the loop of `cnnstat bench` costs: the same steps by it and by a plain loop, in turns.

    OMP_NUM_THREADS=1 python benchmarks/loop_overhead.py lenet
    OMP_NUM_THREADS=2 python benchmarks/loop_overhead.py resnet18 --batch 4 --pairs 60

Both train the same network from the same weights on the same batches in memory; the plain loop is
what one would write by hand. They take steps in turns, one each in changing order, and the ratio of
their times is taken within each pair: a machine that gets slower for a while makes both slower. The
time that the processor spent is stated beside.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
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

Seconds = tuple[float, float]
"""On the clock, and of the processor."""


@dataclass(frozen=True)
class Plan:
    """What is compared: the network, and how many steps of which size."""

    network: str
    batch: int
    pairs: int
    warm_up: int

    @property
    def protocol(self) -> Protocol:
        steps = self.warm_up + self.pairs
        return Protocol(data="synthetic", batch_size=self.batch, steps=steps)


def plain(plan: Plan) -> Iterator[None]:
    """The steps of a loop written by hand, with the same progress figures."""
    name, protocol = plan.network, plan.protocol
    made = trainable_model(name, (), {}, protocol)
    model = made.build(protocol, torch.device("cpu")).train()
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


def ours(plan: Plan, fabric: Any) -> Iterator[None]:
    """The same steps by the loop of `bench`, read into records."""
    protocol = plan.protocol
    made = trainable_model(plan.network, (), {}, protocol)
    for record in Session(made, protocol, Limit(steps=protocol.steps), fabric).records():
        if isinstance(record, Step):
            yield


def taken(steps: Iterator[None]) -> Seconds:
    """The time of the next step."""
    start = perf_counter(), process_time()
    next(steps)
    return perf_counter() - start[0], process_time() - start[1]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("network", nargs="?", default="lenet")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--warm-up", type=int, default=50)
    parser.add_argument("--null", action="store_true", help="the plain loop beside itself")
    options = parser.parse_args(arguments)
    plan = Plan(options.network, options.batch, options.pairs, options.warm_up)
    with launched(plan.protocol) as fabric:
        by_hand, own = plain(plan), plain(plan) if options.null else ours(plan, fabric)
        for steps in (by_hand, own):
            for _ in range(plan.warm_up):
                next(steps)
        pairs = []
        for number in range(plan.pairs):
            if number % 2:
                first = taken(by_hand)
                pairs.append((first, taken(own)))
            else:
                first = taken(own)
                pairs.append((taken(by_hand), first))
    print(f"{plan.network}, batch {plan.batch}, {plan.pairs} steps of each in turns, "
          f"{torch.get_num_threads()} threads, torch {torch.__version__}"
          f"{', the plain loop beside itself' if options.null else ''}")  # fmt: skip
    for place, clock in enumerate(("clock", "processor")):
        ratios = sorted(hand[place] / other[place] for hand, other in pairs)
        low, high = ratios[plan.pairs // 4], ratios[-1 - plan.pairs // 4]
        step = 1000 * median(hand[place] for hand, _ in pairs)
        of_medians = median(h[place] for h, _ in pairs) / median(o[place] for _, o in pairs)
        whole = sum(hand[place] for hand, _ in pairs) / sum(other[place] for _, other in pairs)
        print(f"{clock}: plain loop {step:.2f} ms a step; throughput of bench relative to it "
              f"{median(ratios):.3f} (middle half {low:.3f} to {high:.3f}), of the medians "
              f"{of_medians:.3f}, of all steps {whole:.3f}")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
