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

from ..errors import NOT_OF_THE_MODEL, CnnstatError, ModelError, format_exception
from ..tracing.places import raising_line
from .batches import Batches
from .clock import Laps, Mark
from .confusion import Predictions
from .fabric import has_process_ended, process_ended
from .machine import is_out_of_memory
from .objective import Objective
from .schedule import Limit, Position
from .user_batches import call


@dataclass(frozen=True)
class Trainer:
    """The model on its device, and the settings of the training."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    backward: Callable[[Tensor], None]
    no_sync: Callable[[bool], AbstractContextManager[Any]]
    """A block that does not average gradients over processes if its argument is true."""
    objective: Objective
    seed: int
    schedule: Callable[[float], float] | None
    """The learning rate after a share of the training; None leaves it to `after_step`."""
    after_step: Callable[[], None]
    predictions: Predictions
    is_stopped: Callable[[], bool]
    """Whether to end, asked after each epoch."""


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
        batches_of_epoch = batches.epoch(epoch)
        parts, count_of_steps = batches_of_epoch.parts, batches_of_epoch.steps
        for place in count():
            done = min(1.0, place / count_of_steps) if count_of_steps else 0.0
            share = limit.share(epoch - 1 + done, step, trained_seconds())
            if share >= 1:
                break
            if trainer.schedule is not None:
                for group in optimizer.param_groups:
                    group["lr"] = trainer.schedule(share)
            learning_rate = float(optimizer.param_groups[0]["lr"])
            answers = []
            laps: list[tuple[Any, Mark]] = [(None, now())]
            part = next(parts, None)
            if part is None:
                break
            examples = part.step_examples
            while part is not None:
                laps.append(("data", now()))
                try:
                    with trainer.no_sync(not part.is_last):
                        output = call(model, part.inputs)
                        loss, scores = trainer.objective(output, part.targets, part.examples)
                        # DDP averages over processes; scaled, the result is the mean over all
                        # examples
                        scaled = loss * (processes / examples)
                        laps.append(("forward", now()))
                        trainer.backward(scaled)
                        laps.append(("backward", now()))
                except Exception as error:  # the model's and the loss's code may raise anything
                    raise _failed(
                        error, f"step {step + 1}, epoch {epoch}", part.examples
                    ) from error
                answers.append((loss.detach(), scores, part.targets, part.examples))
                part = None if part.is_last else next(parts)
            optimizer.step()
            optimizer.zero_grad()
            laps.append(("optimizer", now()))
            trainer.after_step()
            step += 1
            sums = reduce(add, [trainer.objective.sums(*answer) for answer in answers])
            yield StepEnd(epoch, step, examples, sums, laps, learning_rate)
        yield EpochEnd(epoch, step, test(model, batches, trainer))
        if trainer.is_stopped():
            return


def _failed(error: Exception, place: str, examples: int) -> Exception:
    """The error of a model, or of its loss, while it is trained or tested on a batch."""
    if has_process_ended(error):
        return process_ended()
    if isinstance(error, (CnnstatError, *NOT_OF_THE_MODEL)) or is_out_of_memory(error):
        return error
    reason = [*raising_line(error), format_exception(error)]
    if examples > 1:
        return ModelError(f"the model fails at {place}", *reason)
    return ModelError(
        f"the model fails at {place}", *reason, "the batch has one example only",
        hint="DataLoader(…, drop_last=True)",
    )  # fmt: skip


def infer(
    model: nn.Module, batches: Batches, limit: Limit, now: Callable[[], Mark],
    trained_seconds: Callable[[], float],
) -> Iterator[StepEnd]:  # fmt: skip
    """Run forward passes until the limit."""
    model.eval()
    step = 0
    for epoch in count(1):
        batches_of_epoch = batches.epoch(epoch)
        parts, count_of_steps = batches_of_epoch.parts, batches_of_epoch.steps
        for place in count():
            done = min(1.0, place / count_of_steps) if count_of_steps else 0.0
            if limit.share(epoch - 1 + done, step, trained_seconds()) >= 1:
                return
            laps: list[tuple[Any, Mark]] = [(None, now())]
            part = next(parts, None)
            if part is None:
                break
            examples = part.step_examples
            while part is not None:
                laps.append(("data", now()))
                with torch.inference_mode():
                    call(model, part.inputs)
                laps.append(("forward", now()))
                part = None if part.is_last else next(parts)
            step += 1
            yield StepEnd(epoch, step, examples, None, laps, None)


def test(model: nn.Module, batches: Batches, trainer: Trainer) -> Tensor | None:
    """The sums over the test examples of this process; None without test data."""
    if batches.test is None:
        return None
    model.eval()
    objective, predictions = trainer.objective, trainer.predictions
    predictions.restart()
    loss, right, examples = 0.0, 0.0, 0
    with torch.inference_mode():
        for inputs, targets, count in batches.testing():
            try:
                answer = objective(call(model, inputs), targets, count)
                predictions.see(inputs, answer[1], targets)
            except Exception as error:  # the model's and the loss's code may raise anything
                raise _failed(error, "the test", count) from error
            found = objective.sums(*answer, targets, count).tolist()
            loss += found[0]
            right += sum(found[1:])
            examples += count
    return torch.tensor([loss, right, examples], dtype=torch.float64)
