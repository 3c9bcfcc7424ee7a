"""From the events of the loop to records: read from the device, summed over processes."""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ModelError
from .clock import Clock, Mark
from .loop import EpochEnd, StepEnd
from .results import Epoch, Step

_TOGETHER = 16  # steps whose sums several processes exchange at once
_DIVERGED = 1000  # times the loss of guessing

Event = StepEnd | EpochEnd


class DivergedError(ModelError):
    """The loss is not finite, or far above that of guessing."""


@dataclass(frozen=True)
class _Sent:
    """Steps whose sums are being copied from the device; `arrival` is the end of the copy.

    `sums` is None with `--inference`.
    """

    steps: Sequence[StepEnd]
    sums: Tensor | None
    arrival: Mark


class Readings:
    """Turns events into records, without waiting for a device that works asynchronously.

    `summed` adds up figures over all processes; `agreed` averages a number over them, or returns
    it unchanged. `alone`: whether there is one process. `seconds`: the time of all steps so far.
    `classes`: of the cross-entropy, None for another loss.
    """

    def __init__(
        self,
        model: str,
        clock: Clock,
        summed: Callable[[Tensor], Tensor],
        seconds: float = 0.0,
        classes: int | None = None,
        has_accuracy: bool = True,
        agreed: Callable[[float], float] = float,
        alone: bool = True,
    ) -> None:
        self.model = model
        self.clock = clock
        self.summed = summed
        self.seconds = seconds
        self.agreed = agreed
        self.alone = alone
        self.has_accuracy = has_accuracy
        self.guessing = None if classes is None else math.log(max(classes, 2))

    def read(self, events: Iterator[Event]) -> Iterator[Step | Epoch]:
        together = 1 if self.alone or self.clock.waits else _TOGETHER
        step_ends: list[StepEnd] = []
        sent: deque[_Sent] = deque()
        steps: list[Step] = []  # of the epoch
        for event in events:
            if isinstance(event, StepEnd):
                step_ends.append(event)
                if len(step_ends) == together:
                    sent.append(self._send(step_ends))
                    step_ends = []
                ready = self._arrived(sent)
            else:
                ready = self._all(sent, step_ends)
                step_ends = []
            for read in ready:
                steps.append(read)
                yield read
            if isinstance(event, EpochEnd):
                yield self._epoch(event, steps)
                steps = []
        yield from self._all(sent, step_ends)

    def _send(self, step_ends: Sequence[StepEnd]) -> _Sent:
        """Start to sum over processes and to copy to the CPU, without waiting."""
        sums = [event.sums for event in step_ends if event.sums is not None]
        if not sums:
            return _Sent(step_ends, None, self.clock.now())
        stacked = sums[0][None] if len(sums) == 1 else torch.stack(sums)
        copied = self.summed(stacked).to("cpu", non_blocking=True)
        return _Sent(step_ends, copied, self.clock.now())

    def _arrived(self, sent: deque[_Sent]) -> Iterator[Step]:
        """The steps that can be read now.

        With several processes, all must read the same steps at the same time, because they then
        average the seconds. Each therefore reads, and waits for, all but the last that it sent.
        """
        if self.alone:
            while sent and self.clock.passed(sent[0].arrival):
                yield from self._read(sent.popleft())
        else:
            while len(sent) > (0 if self.clock.waits else 1):
                yield from self._read(sent.popleft())

    def _all(self, sent: deque[_Sent], step_ends: Sequence[StepEnd]) -> Iterator[Step]:
        """All remaining steps; waits for the last."""
        if step_ends:
            sent.append(self._send(step_ends))
        while sent:
            yield from self._read(sent.popleft())

    def _read(self, sent: _Sent) -> list[Step]:
        # waits for the copy: reading a CUDA event waits until the device has passed it
        self.clock.between(sent.arrival, sent.arrival)
        sums: list[list[float]] = [[]] * len(sent.steps)
        if sent.sums is not None:
            sums = sent.sums.tolist()
        steps = [self._step(*pair) for pair in zip(sent.steps, sums, strict=True)]
        self.seconds += self.agreed(sum(step.seconds for step in steps))
        return steps

    def _step(self, end: StepEnd, sums: Sequence[float]) -> Step:
        loss, correct = (*sums, None, None)[:2]
        count = end.examples
        return Step(
            model=self.model,
            step=end.step,
            epoch=end.epoch,
            examples=count,
            loss=None if loss is None else loss / count,
            accuracy=correct / count if correct is not None and self.has_accuracy else None,
            learning_rate=end.learning_rate,
            seconds=self.clock.seconds(end.laps),
            phases=self.clock.phases(end.laps),
        )

    @staticmethod
    def is_finite(record: Step | Epoch) -> bool:
        """Whether the losses of a step or an epoch are numbers."""
        if isinstance(record, Step):
            return record.loss is None or math.isfinite(record.loss)
        return record.test_loss is None or math.isfinite(record.test_loss)

    def _epoch(self, end: EpochEnd, steps: list[Step]) -> Epoch:
        examples = sum(step.examples for step in steps)
        correct = sum(step.examples * (step.accuracy or 0.0) for step in steps)
        test_loss = test_accuracy = None
        if end.sums is not None:
            loss, right, count = self.summed(end.sums).tolist()
            if count:  # labels may all be ignored
                test_loss = loss / count
                test_accuracy = right / count if self.has_accuracy else None
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
        """Stop a training that diverged.

        Raises:
            DivergedError: the loss is not finite, or a thousand times that of guessing.
        """
        largest = sys.float_info.max if self.guessing is None else _DIVERGED * self.guessing
        if step.loss is None or step.loss <= largest:  # False for NaN
            return
        loss = f"loss {step.loss:g}"
        smaller = f"{(step.learning_rate or 0) / 10:g}"
        raise DivergedError(
            f"{self.model}: the loss diverged at step {step.step}, epoch {step.epoch}",
            loss if self.guessing is None else f"{loss}; guessing has {self.guessing:.2f}",
            f"a smaller learning rate, another optimizer (--optimizer adam) or --precision fp32 "
            f"may mend it; the learning rate was {step.learning_rate:g}",
            hint=f"--lr {smaller}",
        )
