"""From what the loop yields to numbers: read from the device, summed over processes, checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from ..analysis.benchmark.records import Epoch, Step
from ..errors import ModelError
from .clock import Clock
from .loop import EpochEnd, Taken

_TOGETHER = 16  # steps read at once where reading would make the device wait
_DIVERGED = 1000  # times the loss of guessing

Event = Taken | EpochEnd


class DivergedError(ModelError):
    """The loss is no number any more, or far beyond what guessing costs."""


class Readings:
    """Reads events into records. `seconds` is the time of all steps read so far, as the processes
    have `agreed` on it."""

    def __init__(
        self,
        model: str,
        classes: int,
        clock: Clock,
        summed: Callable[[Tensor], Tensor],
        seconds: float = 0.0,
        has_accuracy: bool = True,
        agreed: Callable[[float], float] = float,
    ) -> None:
        self.model = model
        self.clock = clock
        self.summed = summed
        self.seconds = seconds
        self.agreed = agreed
        self.has_accuracy = has_accuracy
        self.guessing = math.log(max(classes, 2))

    def read(self, events: Iterator[Event]) -> Iterator[Step | Epoch]:
        pending: list[Taken] = []
        steps: list[Step] = []  # of the epoch
        for event in events:
            if isinstance(event, Taken):
                pending.append(event)
                if len(pending) < (1 if self.clock.waits else _TOGETHER):
                    continue
            read = self._steps(pending)
            pending = []
            steps += read
            yield from read
            if isinstance(event, EpochEnd):
                yield self._epoch(event, steps)
                steps = []
        yield from self._steps(pending)

    def _steps(self, taken: list[Taken]) -> list[Step]:
        if not taken:
            return []
        measured = [event.sums for event in taken if event.sums is not None]
        sums: list[Any] = self._read(measured) if measured else [(None, None)] * len(taken)
        steps = []
        for event, (loss, correct) in zip(taken, sums, strict=True):
            seconds = self.clock.seconds(event.laps)
            count = event.examples
            with_accuracy = correct is not None and self.has_accuracy
            steps.append(
                Step(
                    model=self.model,
                    step=event.step,
                    epoch=event.epoch,
                    examples=count,
                    loss=None if loss is None else loss / count,
                    accuracy=correct / count if with_accuracy else None,
                    learning_rate=event.learning_rate,
                    seconds=seconds,
                    phases=self.clock.phases(event.laps),
                )
            )
        self.seconds += self.agreed(sum(step.seconds for step in steps))
        return steps

    def _read(self, sums: list[Tensor]) -> list[tuple[float, float]]:
        """Loss and correct answers of steps, over all processes; the device is asked once."""
        stacked = sums[0][None] if len(sums) == 1 else torch.stack(sums)
        return [(loss, correct) for loss, correct in self.summed(stacked).tolist()]

    def _epoch(self, end: EpochEnd, steps: list[Step]) -> Epoch:
        examples = sum(step.examples for step in steps)
        correct = sum(step.examples * (step.accuracy or 0.0) for step in steps)
        test_loss = test_accuracy = None
        if end.sums is not None:
            loss, right, count = self.summed(end.sums).tolist()
            test_loss, test_accuracy = loss / count, right / count
        return Epoch(
            epoch=end.epoch,
            step=end.step,
            train_loss=sum(step.examples * (step.loss or 0.0) for step in steps) / examples,
            train_accuracy=correct / examples if self.has_accuracy else None,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            seconds=sum(step.seconds for step in steps),
        )

    def check(self, step: Step) -> None:
        """Stop where training has gone wrong.

        Raises:
            DivergedError: the loss is not finite, or a thousand times that of guessing.
        """
        if step.loss is None or step.loss <= _DIVERGED * self.guessing:  # false for NaN
            return
        smaller = f"{(step.learning_rate or 0) / 10:g}"
        raise DivergedError(
            f"{self.model}: the loss diverged at step {step.step}, epoch {step.epoch}",
            f"loss {step.loss:g}; guessing has {self.guessing:.2f}",
            f"a smaller learning rate, another optimizer (--optimizer adam) or --precision fp32 "
            f"may mend it; the learning rate was {step.learning_rate:g}",
            hint=f"--lr {smaller}",
        )
