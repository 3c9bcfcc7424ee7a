"""Time as the device has it: CUDA events on a GPU; elsewhere a clock, with the device at rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import Any

import torch

from .results import Phase

Mark = Any
"""A moment: seconds, or an event of CUDA that may still be to come."""
Laps = Sequence[tuple[Phase | None, Mark]]
"""The moment at which each phase ended; the first is the start."""


@dataclass(frozen=True)
class Clock:
    """`now` marks a moment without waiting, where the device can; `between` gives seconds.

    `passed` tells whether the device has reached a moment.
    """

    now: Callable[[], Mark]
    between: Callable[[Mark, Mark], float]
    waits: bool
    """Whether the device is idle at every moment; else it runs behind, and reading would wait."""
    passed: Callable[[Mark], bool] = lambda mark: True

    def seconds(self, laps: Laps) -> float:
        return self.between(laps[0][1], laps[-1][1])

    def phases(self, laps: Laps) -> dict[Phase, float]:
        """The seconds of each phase; where it was entered more than once, their sum."""
        found: dict[Phase, float] = {}
        for (_, before), (phase, after) in pairwise(laps):
            if phase is not None:
                found[phase] = found.get(phase, 0.0) + self.between(before, after)
        return found


def clock_of(device: torch.device) -> Clock:
    if device.type == "cuda":
        return Clock(_event, _between_events, waits=False, passed=_passed)
    if device.type == "mps":
        return Clock(_at_rest, _difference, waits=True)
    return Clock(perf_counter, _difference, waits=True)


def _difference(before: float, after: float) -> float:
    return after - before


def _event() -> Any:
    # torch declares no types for its events
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record()
    return event


def _between_events(before: Any, after: Any) -> float:
    after.synchronize()
    milliseconds: float = before.elapsed_time(after)
    return milliseconds / 1000


def _passed(event: Any) -> bool:
    passed: bool = event.query()
    return passed


def _at_rest() -> float:
    torch.mps.synchronize()
    return perf_counter()
