"""From the times of runs to figures: percentiles, intervals, outliers.

Runs of one moment are alike: clocks, caches and other work change from second to second. Intervals
are therefore computed over turns, each the median of the runs of a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from statistics import median

from ..bench.results import Spread
from ..bench.timing import percentile, spread
from .results import Interval, Latency, Relative

CONFIDENCE = 0.95
LEAST_TURNS = 10
PRECISE = 0.01
"""Enough was measured when the half of the interval is below this share of the median."""

FAR_OUT = 3.0  # interquartile ranges beyond the upper quartile (Tukey 1977, outer fences)
MUCH_SLOWER = 1.2  # times the median: on a quiet machine the fences are within the clock's noise


def interval_of_median(values: Sequence[float]) -> Interval | None:
    """The order statistics between which the median lies with at least 95 %; None of few values.

    A value is below the median with probability ½, so that the number below it is binomial
    (Conover 1999, section 3.2): no distribution of times is assumed.
    """
    ordered, n = sorted(values), len(values)
    rank, outside = -1, 0.0
    while outside + comb(n, rank + 1) * 0.5**n <= (1 - CONFIDENCE) / 2:
        rank += 1
        outside += comb(n, rank) * 0.5**n
    return None if rank < 0 else Interval(ordered[rank], ordered[n - 1 - rank])


def is_precise(turns: Sequence[Sequence[float]]) -> bool:
    """Whether further turns would hardly change the median."""
    if len(turns) < LEAST_TURNS:
        return False
    medians = [median(turn) for turn in turns]
    interval = interval_of_median(medians)
    assert interval is not None  # there are enough turns
    return (interval.upper - interval.lower) / 2 <= PRECISE * median(medians)


def outliers(ordered: Sequence[float], quartiles: Spread) -> int:
    """How many sorted times are far slower than the others."""
    fence = max(quartiles.upper + FAR_OUT * quartiles.iqr, MUCH_SLOWER * quartiles.median)
    return sum(value > fence for value in ordered)


def relative(turns: Sequence[Sequence[float]], base: Sequence[Sequence[float]]) -> Relative:
    """The ratio of medians, from turns that were measured alternately with those of `base`."""
    ratios = [median(a) / median(b) for a, b in zip(turns, base, strict=False)]
    interval = interval_of_median(ratios)
    is_noise = interval is None or interval.lower <= 1 <= interval.upper
    return Relative(ratio=median(ratios), interval=interval, is_noise=is_noise)


def latency_of(
    turns: Sequence[Sequence[float]], blocks: Sequence[float], batch_size: int | None,
    warmup: int, settled: bool,
) -> Latency:  # fmt: skip
    """The figures of runs. `blocks` are the seconds of runs that were queued, on a GPU."""
    seconds = [value for turn in turns for value in turn]
    ordered, quartiles = sorted(seconds), spread(seconds)
    queued = spread(blocks) if blocks else None
    each = (queued or quartiles).median
    return Latency(
        warmup=warmup,
        settled=settled,
        runs=len(seconds),
        quartiles=quartiles,
        interval=interval_of_median([median(turn) for turn in turns]),
        p90=percentile(ordered, 0.9) if len(ordered) >= 10 else None,
        p99=percentile(ordered, 0.99) if len(ordered) >= 100 else None,
        fastest=ordered[0],
        slowest=ordered[-1],
        outliers=outliers(ordered, quartiles),
        seconds=tuple(seconds),
        back_to_back=queued,
        examples_per_second=batch_size / each if batch_size else None,
    )
