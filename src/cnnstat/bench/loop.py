"""The training loop. It yields events; they are counted, timed, saved and shown elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import reduce
from itertools import count
from operator import add
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..choices import Schedule
from .batches import Batches
from .clock import Laps, Mark
from .schedule import Limit, Position, rate


@dataclass(frozen=True)
class Trainer:
    """The model on its device, and the settings of the training."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    backward: Callable[[Tensor], None]
    no_sync: Callable[[bool], AbstractContextManager[Any]]
    """A block that does not average gradients over processes if its argument is true."""
    counts_correct: bool
    """Whether to count correct predictions."""
    seed: int
    schedule: Schedule
    learning_rate: float


@dataclass(frozen=True)
class StepEnd:
    """The end of a step. `sums`: the loss of this process and, if counted, its correct predictions.

    `examples` is the number in all processes.
    """

    epoch: int
    step: int
    examples: int
    sums: Tensor | None
    laps: Laps
    learning_rate: float | None


@dataclass(frozen=True)
class EpochEnd:
    """`sums`: the test loss of this process, its correct predictions and number of examples."""

    epoch: int
    step: int
    sums: Tensor | None


def train(
    trainer: Trainer,
    batches: Batches,
    limit: Limit,
    now: Callable[[], Mark],
    start: Position,
    trained_seconds: Callable[[], float],
) -> Iterator[StepEnd | EpochEnd]:
    """Train from `start` until the limit; test after each epoch."""
    model, optimizer, processes = trainer.model, trainer.optimizer, batches.place.processes
    step = start.step
    for epoch in count(start.epoch + 1):
        if limit.share(epoch - 1, step, trained_seconds()) >= 1:
            return
        model.train()
        # dropout differs between epochs and processes, and a resumed run draws the same
        torch.manual_seed(trainer.seed + 1_000_003 * epoch + batches.place.rank)
        plans = batches.plans(epoch)
        stream = batches.training(plans, epoch)
        for place, plan in enumerate(plans):
            share = limit.share(epoch - 1 + place / len(plans), step, trained_seconds())
            if share >= 1:
                break
            learning_rate = rate(trainer.schedule, trainer.learning_rate, share)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            answers = []
            laps: list[tuple[Any, Mark]] = [(None, now())]
            for part in range(len(plan.parts)):
                images, labels = next(stream)
                laps.append(("data", now()))
                with trainer.no_sync(part < len(plan.parts) - 1):
                    logits = logits_of(model(images))
                    # DDP averages over processes; scaled, the result is the mean over all examples
                    loss = F.cross_entropy(logits, labels, reduction="sum")
                    scaled = loss * (processes / plan.examples)
                    laps.append(("forward", now()))
                    trainer.backward(scaled)
                    laps.append(("backward", now()))
                answers.append((loss.detach(), logits.detach(), labels))
            optimizer.step()
            optimizer.zero_grad()
            laps.append(("optimizer", now()))
            step += 1
            parts = [_sums(*answer, counted=trainer.counts_correct) for answer in answers]
            sums = reduce(add, parts)
            yield StepEnd(epoch, step, plan.examples, sums, laps, learning_rate)
        yield EpochEnd(epoch, step, test(model, batches))


def infer(
    model: nn.Module, batches: Batches, limit: Limit, now: Callable[[], Mark],
    trained_seconds: Callable[[], float],
) -> Iterator[StepEnd]:  # fmt: skip
    """Run forward passes until the limit."""
    model.eval()
    step = 0
    for epoch in count(1):
        plans = batches.plans(epoch)
        stream = batches.training(plans, epoch)
        for place, plan in enumerate(plans):
            if limit.share(epoch - 1 + place / len(plans), step, trained_seconds()) >= 1:
                return
            laps: list[tuple[Any, Mark]] = [(None, now())]
            for _ in plan.parts:
                images, _ = next(stream)
                laps.append(("data", now()))
                with torch.inference_mode():
                    model(images)
                laps.append(("forward", now()))
            step += 1
            yield StepEnd(epoch, step, plan.examples, None, laps, None)


def test(model: nn.Module, batches: Batches) -> Tensor | None:
    """The sums over the test examples of this process; None without test data."""
    if batches.test is None:
        return None
    model.eval()
    sums = torch.zeros(3, dtype=torch.float64)
    with torch.inference_mode():
        for images, labels in batches.testing():
            logits = logits_of(model(images))
            loss = F.cross_entropy(logits, labels, reduction="sum")
            found = _sums(loss, logits, labels, counted=True).cpu().double()
            sums += torch.cat([found, torch.tensor([float(len(labels))])])
    return sums


def logits_of(output: Any) -> Tensor:
    """The logits in a model's output, a tensor or the first of several, in float32."""
    if isinstance(output, Tensor):
        return output.float()
    if hasattr(output, "logits"):
        return logits_of(output.logits)
    if isinstance(output, dict):
        return logits_of(next(iter(output.values())))
    return logits_of(output[0])


def _sums(loss: Tensor, logits: Tensor, labels: Tensor, counted: bool) -> Tensor:
    if not counted:
        return loss[None]
    return torch.stack((loss, (logits.argmax(1) == labels).sum(dtype=loss.dtype)))
