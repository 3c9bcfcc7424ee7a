"""From what the loop yields to numbers: read from the device, summed over processes, checked."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ModelError
from .clock import Clock, Mark
from .loop import EpochEnd, Taken
from .results import Epoch, Step

_TOGETHER = 16  # steps whose sums are exchanged at once where processes share them
_DIVERGED = 1000  # times the loss of guessing

Event = Taken | EpochEnd


class DivergedError(ModelError):
    """The loss is no number any more, or far beyond what guessing costs."""


@dataclass(frozen=True)
class _Sent:
    """Steps whose sums are on their way from the device; they have arrived once `arrival` is past.

    `sums` are None where nothing is computed but the forward pass.
    """

    steps: Sequence[Taken]
    sums: Tensor | None
    arrival: Mark


class Readings:
    """Reads events into records, without making a device wait that runs behind.

    `summed` adds up figures over the processes, `alone` says that there is one. `seconds` is the
    time of all steps read so far, as the processes have `agreed` on it.
    """

    def __init__(
        self,
        model: str,
        classes: int,
        clock: Clock,
        summed: Callable[[Tensor], Tensor],
        seconds: float = 0.0,
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
        self.guessing = math.log(max(classes, 2))

    def read(self, events: Iterator[Event]) -> Iterator[Step | Epoch]:
        together = 1 if self.alone or self.clock.waits else _TOGETHER
        taken: list[Taken] = []
        sent: deque[_Sent] = deque()
        steps: list[Step] = []  # of the epoch
        for event in events:
            if isinstance(event, Taken):
                taken.append(event)
                if len(taken) == together:
                    sent.append(self._send(taken))
                    taken = []
                ready = self._arrived(sent)
            else:
                ready = self._all(sent, taken)
                taken = []
            for read in ready:
                steps.append(read)
                yield read
            if isinstance(event, EpochEnd):
                yield self._epoch(event, steps)
                steps = []
        yield from self._all(sent, taken)

    def _send(self, taken: Sequence[Taken]) -> _Sent:
        """Let the sums of steps be added up over all processes and copied; nothing waits for it."""
        sums = [event.sums for event in taken if event.sums is not None]
        if not sums:
            return _Sent(taken, None, self.clock.now())
        stacked = sums[0][None] if len(sums) == 1 else torch.stack(sums)
        copied = self.summed(stacked).to("cpu", non_blocking=True)
        return _Sent(taken, copied, self.clock.now())

    def _arrived(self, sent: deque[_Sent]) -> Iterator[Step]:
        """The steps that can be read now.

        Several processes read the same steps at the same time, since they agree on the seconds
        then: so each reads those before the last that it sent, and waits for them.
        """
        if self.alone:
            while sent and self.clock.passed(sent[0].arrival):
                yield from self._read(sent.popleft())
        else:
            while len(sent) > (0 if self.clock.waits else 1):
                yield from self._read(sent.popleft())

    def _all(self, sent: deque[_Sent], taken: Sequence[Taken]) -> Iterator[Step]:
        """All steps, waiting for the last."""
        if taken:
            sent.append(self._send(taken))
        while sent:
            yield from self._read(sent.popleft())

    def _read(self, sent: _Sent) -> list[Step]:
        # the copy has arrived once the clock has read this, for an event waits until it is past
        self.clock.between(sent.arrival, sent.arrival)
        sums: list[list[float]] = [[]] * len(sent.steps)
        if sent.sums is not None:
            sums = sent.sums.tolist()
        steps = [self._step(*pair) for pair in zip(sent.steps, sums, strict=True)]
        self.seconds += self.agreed(sum(step.seconds for step in steps))
        return steps

    def _step(self, taken: Taken, sums: Sequence[float]) -> Step:
        loss, correct = (*sums, None, None)[:2]
        count = taken.examples
        return Step(
            model=self.model,
            step=taken.step,
            epoch=taken.epoch,
            examples=count,
            loss=None if loss is None else loss / count,
            accuracy=correct / count if correct is not None and self.has_accuracy else None,
            learning_rate=taken.learning_rate,
            seconds=self.clock.seconds(taken.laps),
            phases=self.clock.phases(taken.laps),
        )

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
