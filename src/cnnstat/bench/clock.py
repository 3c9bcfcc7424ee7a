"""Clocks of devices: CUDA events on a GPU; elsewhere a clock, read while the device is idle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import Any

import torch

from .results import Phase

Mark = Any
"""A moment: seconds, or a CUDA event that the device may not have reached yet."""
Laps = Sequence[tuple[Phase | None, Mark]]
"""The moment at which each phase ended; the first is the start."""


@dataclass(frozen=True)
class Clock:
    """`now` marks a moment, on a GPU without waiting; `between` returns the seconds between two.

    `passed` returns whether the device has reached a moment.
    """

    now: Callable[[], Mark]
    between: Callable[[Mark, Mark], float]
    waits: bool
    """Whether `now` waits until the device is idle. If not, reading a moment may wait for it."""
    passed: Callable[[Mark], bool] = lambda mark: True

    def seconds(self, laps: Laps) -> float:
        return self.between(laps[0][1], laps[-1][1])

    def phases(self, laps: Laps) -> dict[Phase, float]:
        """The seconds of each phase, summed over its occurrences."""
        seconds: dict[Phase, float] = {}
        for (_, before), (phase, after) in pairwise(laps):
            if phase is not None:
                seconds[phase] = seconds.get(phase, 0.0) + self.between(before, after)
        return seconds


def clock_of(device: torch.device) -> Clock:
    if device.type == "cuda":
        return Clock(_event, _between_events, waits=False, passed=_passed)
    if device.type == "mps":
        return Clock(_when_idle, _difference, waits=True)
    return Clock(perf_counter, _difference, waits=True)


def _difference(before: float, after: float) -> float:
    return after - before


def _event() -> Any:
    # torch declares no types for its events
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch declares no types
    event.record()
    return event


def _between_events(before: Any, after: Any) -> float:
    after.synchronize()
    milliseconds: float = before.elapsed_time(after)
    return milliseconds / 1000


def _passed(event: Any) -> bool:
    passed: bool = event.query()
    return passed


def _when_idle() -> float:
    torch.mps.synchronize()
    return perf_counter()
