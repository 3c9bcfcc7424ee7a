"""Statistics of step times: the end of the warm-up, medians, quartiles, noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log
from statistics import median

from .results import Epoch, Phase, Run, Spread, Step, Timing

WINDOW = 5
"""Steps in each of the two adjacent windows whose medians are compared."""
SETTLED = 0.05
"""The warm-up ends at the first step from which two windows differ by at most this share. That
step must not be slower by more either: the first one on a GPU can take a hundred times as long."""
NOISY = 0.2
"""An interquartile range above this share of the median is reported as noise."""

DRIFT = 0.1
"""If the last third of the steps is slower than the first by more than this share, and their
interquartile ranges do not overlap, a note suggests throttling."""

GUESSING = 0.05
"""A training loss within this share of the loss of guessing is reported."""


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles."""
    ordered = sorted(values)
    return Spread(*(percentile(ordered, share) for share in (0.25, 0.5, 0.75)))


def percentile(ordered: Sequence[float], share: float) -> float:
    """By linear interpolation between sorted values."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def warmup(seconds: Sequence[float]) -> int | None:
    """The number of steps until their time settles, at most half of all; None if it does not."""
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
    """The timing of a run, None without any step.

    Steps with a partial batch, such as the last of an epoch, are left out.
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
    """Warnings about the reliability of the times."""
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
    """Whether two interquartile ranges overlap: the order of the medians may then be chance."""
    return a.lower <= b.upper and b.lower <= a.upper


def comparison_notes(runs: Sequence[Run]) -> tuple[str, ...]:
    """Notes on pairs of models whose step times differ by no more than noise."""
    timed = [(run.model.spec, run.timing) for run in runs if run.timing is not None]
    return tuple(
        f"{name} and {other}: the difference of their step times is within the noise"
        for place, (name, a) in enumerate(timed)
        for other, b in timed[place + 1 :]
        if within_noise(a.seconds, b.seconds)
    )


def learning_notes(epochs: Sequence[Epoch], classes: int) -> tuple[str, ...]:
    """The note that a model has learned nothing: its loss is that of guessing, ln(classes)."""
    guessing = log(max(classes, 2))
    if not epochs or abs(epochs[-1].train_loss - guessing) > GUESSING * guessing:
        return ()
    return (
        f"it has learned nothing yet: the loss of guessing among {classes} classes is "
        f"ln {classes} = {guessing:.2f}. More steps, a smaller batch or another optimizer may "
        "help: --optimizer adamw --lr 0.005 --batch-size 32 --epochs 15",
    )
