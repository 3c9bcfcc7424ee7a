"""Models in turns: every subject is timed for a fraction of a second, then the next.

What changes meanwhile (clocks, other work on the machine) then changes all of them, and their
ratios can be trusted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from statistics import median
from time import perf_counter
from typing import Any, get_args

import torch

from ..bench.clock import clock_of
from ..bench.fabric import device_kind
from ..bench.layer_times import layer_times
from ..bench.machine import environment, is_out_of_memory, release, throttling
from ..bench.prediction import peaks_of
from ..bench.results import LayerTimes
from ..bench.timing import WINDOW, warmup
from ..choices import (
    PRECISIONS,
    DeviceKind,
    LatencyPrecision,
    TrainingDevice,
    check_choice,
    precisions_of,
)
from ..errors import ModelError, UsageError, message_of
from ..memory_usage.config import MemoryConfig
from ..memory_usage.predict import predict_memory
from ..models.loaded import Loaded
from ..models.model_inputs import batch_of, with_batch
from ..pipeline import ModelRun, load_model, run_model, this_tool
from ..rooflines.bounds import roofline_of
from ..rooflines.results import Device
from ..rooflines.target import Target
from ..run_config import ModelRequest, RunConfig
from ..tracing.process.turns import one_at_a_time
from ..tracing.run.lanes import available_bytes
from ..units import format_bytes
from .results import Latencies, Latency, Measurement, Relative, Settings, Stage
from .samples import is_precise, latency_of, relative
from .subject import Subject, Variant, subjects_of

_TURN = 0.05  # seconds of a turn, or one run if that takes longer
_LONGEST_WARMUP = 0.5  # of the time for a row, before the first measured run
_LEAST_WARMUP_RUNS = 2 * WINDOW
_BUSY = 0.5  # of the cores


Watch = Callable[[Stage | str], None]
"""Called as the measurement goes on; a text is a note."""


def measure_latency(
    models: Sequence[Any], inputs: Sequence[Any], named: Mapping[str, Any],
    arguments: Mapping[str, Any] | None, settings: Settings, watch: Watch | None,
) -> Latencies:  # fmt: skip
    """Measure models in turns, in every combination of the settings.

    Raises:
        UsageError: the settings are invalid or exclude each other.
        ModelError: a model cannot be built or run, or there is no such device.
    """
    device = torch.device(_checked(settings, models))
    peaks = peaks_of(settings.device_peaks, [], _driver_name(device))
    call = "cnnstat.latency(model, inputs=[{}])"
    requests = [ModelRequest(model, inputs, named, arguments, call) for model in models]
    all_loaded = [_runnable(request) for request in requests]
    variants = [
        Variant(precision, threads, device, settings.compile, settings.channels_last)
        for precision, threads in product(
            settings.precisions, settings.threads or (torch.get_num_threads(),)
        )
    ]
    grid = _Grid(all_loaded, variants, settings, peaks, watch or _ignore)
    where, busy = environment(device, 1), _busy_notes()
    with throttling(device) as throttled:
        rows = grid.measure()
    if all(row.failure is not None for row in rows):
        first = rows[0]
        raise ModelError(
            f"{first.model.spec} cannot be timed", first.failure or "", hint="--batch-size 1"
        )
    return Latencies(
        tool=this_tool(), settings=settings, environment=where,
        peaks=None if peaks is None else peaks.title, rows=rows, notes=(*busy, *throttled),
    )  # fmt: skip


def _checked(settings: Settings, models: Sequence[Any]) -> str:
    """The device. Called before anything is loaded."""
    if not models:
        raise UsageError("latency takes at least one model", hint="cnnstat latency resnet18")
    check_choice("device", settings.device, get_args(TrainingDevice))
    if not settings.precisions:
        raise UsageError("a precision is missing", hint="--precision fp32,bf16")
    for precision in settings.precisions:
        check_choice("precision", precision, precisions_of("latency"))
    for name, values in (("--batch-size", settings.batch_sizes), ("--threads", settings.threads)):
        for value in values:
            if value < 1:
                raise UsageError(f"{name} {value} is less than 1")
    if not 0 < settings.seconds < float("inf"):  # nor NaN
        raise UsageError(f"--seconds {settings.seconds:g} is no time", hint="--seconds 10")
    if settings.layers and settings.compile:
        raise UsageError("--compile fuses layers: --layers cannot time them one by one")
    (kind,) = {device_kind(settings.device, precision) for precision in settings.precisions}
    if settings.threads and kind != "cpu":
        raise UsageError(f"--threads are of the CPU's operators, the device is {kind}",
                         hint="--device cpu")  # fmt: skip
    return kind


def _busy_notes() -> tuple[str, ...]:
    """The note that other processes use the CPU, before this one does."""
    try:
        load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    except (OSError, AttributeError):  # not Linux
        return ()
    if load < _BUSY * cores:
        return ()
    return (
        f"the machine was busy at the start (load {load:.1f} on {cores} cores): times are longer "
        "than on an idle one, and vary",
    )


def _driver_name(device: torch.device) -> str | None:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else None


def _runnable(request: ModelRequest) -> Loaded:
    loaded = load_model(request)
    if not isinstance(loaded, Loaded) or loaded.builders.with_data is None:
        raise ModelError(f"{request.model} is a graph without weights: it cannot be timed")
    return loaded


def _ignore(event: Stage | str) -> None:
    pass


@dataclass
class _Point:
    """A subject at one batch size: what is expected of it, and its times so far."""

    subject: Subject
    loaded: Loaded
    run: ModelRun
    settings: Settings
    turns: list[list[float]] = field(default_factory=list)
    blocks: list[float] = field(default_factory=list)
    warmed: int = 0
    settled: bool = True
    spent: float = 0.0
    memory_bytes: int | None = None
    layers: LayerTimes | None = None
    failure: str | None = None

    def warm_up(self) -> None:
        """Run until the time of a run settles, at most for half of the time."""
        self.subject.set_inputs(self.loaded)
        with self.subject.variant.running():
            self.subject.run()  # compiles, chooses algorithms, initialises lazy layers
            self.memory_bytes = self.subject.peak_memory()
            seconds: list[float] = []
            start, end = perf_counter(), _LONGEST_WARMUP * self.settings.seconds
            while True:
                seconds.append(self.subject.seconds())
                recent = seconds[-_LEAST_WARMUP_RUNS:]
                self.settled = warmup(recent) == 0
                enough = len(recent) == _LEAST_WARMUP_RUNS and self.settled
                if (enough and perf_counter() - start > 2 * _TURN) or perf_counter() - start > end:
                    break
            self.warmed = len(seconds) + 1

    @property
    def is_done(self) -> bool:
        if self.failure is not None:
            return True
        return is_precise(self.turns) or (
            bool(self.turns) and self.spent + self._next_turn() > self.settings.seconds
        )

    def _next_turn(self) -> float:
        return self.spent / len(self.turns)

    def turn(self) -> None:
        """Time runs for a moment, at least one."""
        start = perf_counter()
        with self.subject.variant.running():
            seconds: list[float] = []
            while not seconds or perf_counter() - start < _TURN:
                seconds.append(self.subject.seconds())
            if self.subject.variant.device.type != "cpu":
                runs = max(1, round(_TURN / median(seconds)))
                self.blocks.append(self.subject.seconds_back_to_back(runs))
        self.turns.append(seconds)
        self.spent += perf_counter() - start

    def time_layers(self) -> None:
        with self.subject.variant.running():
            clock = clock_of(self.subject.variant.device)
            self.layers = layer_times(self.subject.plain, self.subject.run, clock)

    @property
    def latency(self) -> Latency | None:
        if not self.turns:
            return None
        return latency_of(self.turns, self.blocks, batch_of(self.loaded), self.warmed, self.settled)


@dataclass
class _Grid:
    """All models in all variants at all batch sizes."""

    loaded: Sequence[Loaded]
    variants: list[Variant]
    settings: Settings
    peaks: Device | None
    watch: Watch

    def measure(self) -> tuple[Measurement, ...]:
        subjects = [s for loaded in self.loaded for s in subjects_of(loaded, self.variants)]
        sizes = self.settings.batch_sizes or (None,)
        rows: dict[tuple[int, int], Measurement] = {}
        for column, size in enumerate(sizes):
            points = [self._point(subject, size) for subject in subjects]
            self._time(points, column / len(sizes), 1 / len(sizes))
            for place, row in enumerate(self._rows(points)):
                rows[place, column] = row
        return tuple(rows[key] for key in sorted(rows))

    def _point(self, subject: Subject, size: int | None) -> _Point:
        loaded = subject.loaded if size is None else with_batch(subject.loaded, size)
        point = _Point(subject, loaded, _run_of(loaded), self.settings)
        if subject.variant.device.type == "cpu":
            needed, free = point.run.analysis.totals.peak_bytes, available_bytes()
            if needed > free:  # the system would end this process
                point.failure = (
                    f"a run takes {format_bytes(needed)}, and {format_bytes(free)} of memory are "
                    "free"
                )
        return point

    def _time(self, points: Sequence[_Point], done: float, share: float) -> None:
        """Warm all up, then time them in turns until each is precise or its time is over."""
        for place, point in enumerate(points):
            part = share * place / len(points) / 2
            self.watch(Stage(f"{_name_of(point)}: warm-up", done + part))
            self._guarded(point, point.warm_up)
        while unfinished := [point for point in points if not point.is_done]:
            # all that can still be timed, so that every turn of one has a turn of the others
            for point in points:
                self._guarded(point, point.turn)
            most = max(p.spent for p in unfinished) / self.settings.seconds
            left = f"{len(unfinished)} of {len(points)} not precise yet"
            self.watch(Stage(left, done + share * (0.5 + min(1.0, most) / 2)))
        if self.settings.layers:
            for point in points:
                self._guarded(point, point.time_layers)

    def _guarded(self, point: _Point, run: Callable[[], None]) -> None:
        """Run it unless the point has failed; if memory is short it fails, and the others go on."""
        if point.failure is not None:
            return
        try:
            run()
        except Exception as error:  # out of memory has many types; models may raise anything
            if not is_out_of_memory(error):
                raise ModelError(
                    f"{point.loaded.spec} does not run on {point.subject.variant.device.type}",
                    f"{type(error).__name__}: {message_of(error)}",
                ) from error
            point.failure = "it does not fit into memory"
        if point.failure is not None:  # after the exception, whose frames have the tensors
            self.watch(f"{_name_of(point)}: {point.failure}")
            point.subject.drop_inputs()
            release(point.subject.variant.device)

    def _rows(self, points: Sequence[_Point]) -> list[Measurement]:
        base, *others = points
        rows = [self._row(base, None)]
        for point in others:
            are_timed = base.turns and point.turns
            rows.append(self._row(point, relative(point.turns, base.turns) if are_timed else None))
        return rows

    def _row(self, point: _Point, ratio: Relative | None) -> Measurement:
        analysis, variant = point.run.analysis, point.subject.variant
        latency, batch = point.latency, batch_of(point.loaded)
        return Measurement(
            model=analysis.model, inputs=analysis.inputs, batch_size=batch,
            precision=variant.precision, threads=variant.threads,
            params=analysis.totals.params, macs=analysis.totals.macs,
            latency=latency, relative=ratio, memory_bytes=point.memory_bytes,
            predicted_bytes=None if variant.compile else _predicted_bytes(point.loaded, variant),
            bound_seconds=_bound(point.run, self.peaks, variant.precision, batch),
            layers=point.layers, failure=point.failure,
        )  # fmt: skip


def _name_of(point: _Point) -> str:
    parts = [point.loaded.spec, point.subject.variant.precision]
    batch = batch_of(point.loaded)
    return ", ".join([*parts, *([f"batch {batch}"] if batch else [])])


@one_at_a_time()
def _run_of(loaded: Loaded) -> ModelRun:
    return run_model(loaded, RunConfig())


def _predicted_bytes(loaded: Loaded, variant: Variant) -> int | None:
    """The peak that `cnnstat memory --inference` predicts; None where it cannot."""
    if variant.device.type == "mps":
        return None
    # TF32 is fp32 in memory
    precision = "fp32" if PRECISIONS[variant.precision].tf32 else variant.precision
    request = ModelRequest(loaded.model, loaded.inputs, loaded.named_inputs, is_parsed=True)
    device: DeviceKind = "cuda" if variant.device.type == "cuda" else "cpu"
    try:
        config = MemoryConfig(inference=True, precision=precision, device=device)
        return predict_memory(request, config).peak_bytes
    except ModelError:
        return None


def _bound(
    run: ModelRun, peaks: Device | None, precision: LatencyPrecision, batch: int | None
) -> float | None:
    """The roofline's lower bound; None where the device has no peak at the precision."""
    arithmetic = precision.removesuffix("-true")
    if peaks is None or arithmetic not in peaks.peak_flops:
        return None
    return roofline_of(run.trace, run.analysis, Target(peaks, arithmetic), batch).seconds
