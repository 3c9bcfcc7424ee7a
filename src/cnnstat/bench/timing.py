"""From raw step times to figures: where the warm-up ends, medians, quartiles, noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log
from statistics import median

from .results import Epoch, Phase, Run, Spread, Step, Timing

WINDOW = 5
"""Steps whose median is compared with that of as many that follow."""
SETTLED = 0.05
"""Warm-up is over at the first step from which two windows differ by no more than this share, and
that is not slower by more itself: the first step on a GPU can take a hundred times as long."""
NOISY = 0.2
"""A middle half of the step times wider than this share of the median is told as noise."""

DRIFT = 0.1
"""Steps of the last third that take longer than those of the first by this share are told, where
the middle halves of the two do not overlap: clocks that throttle look like that."""

GUESSING = 0.05
"""A training loss that differs from what guessing costs by at most this share is told."""


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles, by linear interpolation between the sorted values."""
    ordered = sorted(values)

    def quantile(share: float) -> float:
        place = share * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (place - low) * (ordered[high] - ordered[low])

    return Spread(quantile(0.25), quantile(0.5), quantile(0.75))


def warmup(seconds: Sequence[float]) -> int | None:
    """How many steps pass until their time settles, at most half of them; None if it does not."""
    for first in range(len(seconds) // 2 + 1):
        here = seconds[first : first + WINDOW]
        next_ = seconds[first + WINDOW : first + 2 * WINDOW]
        if len(next_) < WINDOW:
            return None
        usual = median(next_)
        if abs(usual - median(here)) <= SETTLED * usual and here[0] <= (1 + SETTLED) * usual:
            return first
    return None


def timing(steps: Sequence[Step]) -> Timing | None:
    """The timing of a run. Steps with fewer examples than the largest (the last of an epoch) are
    left out; None without any step.
    """
    largest = max((step.examples for step in steps), default=0)
    full = [step for step in steps if step.examples == largest]
    if not full:
        return None
    settled_after = warmup([step.seconds for step in full])
    skipped = len(full) // 2 if settled_after is None else settled_after
    measured = full[skipped:]
    total = sum(step.seconds for step in measured)
    phases: list[Phase] = list(measured[0].phases)
    return Timing(
        warmup_steps=skipped,
        settled=settled_after is not None,
        step_seconds=tuple(step.seconds for step in measured),
        seconds=spread([step.seconds for step in measured]),
        phases={phase: spread([s.phases[phase] for s in measured]) for phase in phases},
        examples_per_second=sum(step.examples for step in measured) / total,
        data_share=sum(step.phases.get("data", 0.0) for step in measured) / total,
    )


def timing_notes(timing: Timing) -> tuple[str, ...]:
    """What a reader must know before trusting the times."""
    notes = []
    if not timing.settled:
        count = len(timing.step_seconds)
        notes.append(
            f"the step time did not settle: the last {count} steps are what is stated "
            f"(two runs of {WINDOW} steps within {100 * SETTLED:.0f} % of each other end a warm-up)"
        )
    share = timing.seconds.iqr / timing.seconds.median
    if share > NOISY:
        notes.append(
            "the machine is noisy: the middle half of the step times spreads over "
            f"{100 * share:.0f} % of their median"
        )
    return (*notes, *_drift_notes(timing.step_seconds))


def _drift_notes(seconds: Sequence[float]) -> Iterator[str]:
    third = len(seconds) // 3
    if third < WINDOW:
        return
    first, last = spread(seconds[:third]), spread(seconds[-third:])
    slower = last.median / first.median - 1
    if slower > DRIFT and not within_noise(first, last):
        yield (
            f"the steps of the last third took {100 * slower:.0f} % longer than those of the "
            "first: clocks that throttle, or other work on the machine"
        )


def within_noise(a: Spread, b: Spread) -> bool:
    """Whether the middle halves of two measurements overlap: their order may then be chance."""
    return a.lower <= b.upper and b.lower <= a.upper


def comparison_notes(runs: Sequence[Run]) -> tuple[str, ...]:
    """Which models train at speeds that their own noise does not tell apart."""
    timed = [(run.model.spec, run.timing) for run in runs if run.timing is not None]
    return tuple(
        f"{name} and {other}: the difference of their step times is within the noise"
        for place, (name, a) in enumerate(timed)
        for other, b in timed[place + 1 :]
        if within_noise(a.seconds, b.seconds)
    )


def learning_notes(epochs: Sequence[Epoch], classes: int) -> tuple[str, ...]:
    """That a model has not learned: its loss is still what guessing costs, ln(classes)."""
    guessing = log(max(classes, 2))
    if not epochs or abs(epochs[-1].train_loss - guessing) > GUESSING * guessing:
        return ()
    return (
        f"it has learned nothing yet: the loss of guessing among {classes} classes is "
        f"ln {classes} = {guessing:.2f}. More steps, a smaller batch or another optimizer may "
        "help: --optimizer adam --lr 0.003 --batch-size 64 --epochs 20",
    )
