"""The records of `latency`. Times are in seconds, memory in bytes.

`None` means that there is no such figure, never 0.
"""

from __future__ import annotations

from typing import Literal

from ..analysis.results import Input, Model, Tool
from ..bench.results import Environment, LayerTimes, Spread
from ..choices import LatencyPrecision, TrainingDevice
from ..results import Record, Result


class Settings(Record, frozen=True, kw_only=True):
    """What is measured, and for how long.

    `batch_sizes` is empty for the batch of each model's own input, `threads` for those that torch
    uses. `seconds` is the most that one row may take, after the warm-up.
    """

    batch_sizes: tuple[int, ...] = ()
    precisions: tuple[LatencyPrecision, ...] = ("fp32",)
    threads: tuple[int, ...] = ()
    device: TrainingDevice = "auto"
    compile: bool = False
    channels_last: bool = False
    layers: bool = False
    seconds: float = 10.0
    device_peaks: str | None = None


class Stage(Record, frozen=True):
    """What is measured now, and the share that is done: an event, in no file."""

    what: str
    share: float


class Interval(Record, frozen=True):
    """A 95 % confidence interval."""

    lower: float
    upper: float


class Relative(Record, frozen=True, kw_only=True):
    """The median latency of a row as a multiple of that of the first row with its batch size.

    Both were measured in turns; the interval is that of the ratios of the turns, None of fewer than
    six. `is_noise`: it contains 1, or there is none.
    """

    ratio: float
    interval: Interval | None
    is_noise: bool


class Latency(Record, frozen=True, kw_only=True):
    """The runs of one model at one batch size, each from the call until the output is computed.

    Attributes:
        runs: how many were measured, after `warmup` others.
        quartiles: median and quartiles of the runs.
        interval: of the median, over the turns in which the runs were measured; None of fewer than
            six.
        p90, p99: percentiles, None with fewer than 10 and 100 runs.
        outliers: runs beyond `q3 + 3 · IQR` and 1.2 × the median.
        seconds: the time of each run, in order.
        examples_per_second: on a GPU of runs that are queued without waiting for each other, else
            of the median.
        back_to_back: on a GPU the seconds of one of the queued runs.
    """

    warmup: int
    settled: bool
    runs: int
    quartiles: Spread
    interval: Interval | None
    p90: float | None
    p99: float | None
    fastest: float
    slowest: float
    outliers: int
    seconds: tuple[float, ...]
    back_to_back: Spread | None
    examples_per_second: float | None

    @property
    def precision(self) -> float | None:
        """Half the interval of the median, as a share of it."""
        if self.interval is None:
            return None
        return (self.interval.upper - self.interval.lower) / 2 / self.quartiles.median


class Measurement(Record, frozen=True, kw_only=True):
    """One row: a model in one precision, with a number of threads, at one batch size.

    `latency` is None where `failure` says why nothing was measured. `memory_bytes` is the peak of
    the allocator during a run, with the weights, on a GPU; `predicted_bytes` that of
    `cnnstat memory --inference`. `bound_seconds` is the roofline's lower bound, where the peaks of
    the device are known.
    """

    model: Model
    inputs: tuple[Input, ...]
    batch_size: int | None
    precision: LatencyPrecision
    threads: int
    params: int
    macs: int
    latency: Latency | None
    relative: Relative | None
    memory_bytes: int | None
    predicted_bytes: int | None
    bound_seconds: float | None
    layers: LayerTimes | None
    failure: str | None


class Latencies(Result, frozen=True, kw_only=True):
    """The latency and throughput of models on one machine."""

    kind: Literal["latency"] = "latency"
    tool: Tool
    settings: Settings
    environment: Environment
    peaks: str | None
    rows: tuple[Measurement, ...]
    notes: tuple[str, ...]
