"""Model → Memory: one step is traced, and repeated at other batch sizes to find the largest."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple, overload

import torch

from ..choices import OPTIMIZERS, PRECISIONS, MemoryPrecision
from ..errors import LaneError, ModelError, ShapeError, UsageError
from ..models.loaded import Loaded
from ..models.model_inputs import batch_of, described_inputs, dtype_of, with_batch
from ..pipeline import load_model, model_of, run_model, this_tool
from ..run_config import ModelRequest, RunConfig
from ..trace.step_records import Step
from ..tracing.run.copies import meta_copy
from ..tracing.run.lane_selection import executable, param_bytes
from ..tracing.training_step.sharding import Sharding
from ..tracing.training_step.step import StepOptions, trace_step
from .config import MemoryConfig
from .results import BatchFit, Memory, Sharded
from .timeline import Timeline, notes_of


def predict_memory(request: ModelRequest, config: MemoryConfig) -> Memory:
    """Predict the memory of one step from a run on tensors without data."""
    loaded = load_model(request)
    if not isinstance(loaded, Loaded):
        raise UsageError(
            f"{request.model} is a graph that is not run: its memory cannot be followed"
        )
    if loaded.mode == "eval" and not config.inference:
        raise UsageError(f"{loaded.spec} was exported in eval mode: it is no model to train",
                         hint="add --inference")  # fmt: skip
    precision = _precision_of(loaded, config.precision)
    autocast = _dtype(PRECISIONS[precision].autocast)
    sharding = None if config.fsdp is None else Sharding(config.fsdp, config.fsdp_units, autocast)
    options = StepOptions(
        mode=loaded.mode or config.mode or ("eval" if config.inference else "train"),
        optimizer=None if config.inference else config.optimizer,
        device=config.device,
        dtype=_dtype(PRECISIONS[precision].parameters),
        checkpoint=config.checkpoint,
        ddp=config.ddp,
        autocast=None if sharding else autocast,
        fsdp=sharding,
        accumulated=config.accumulate > 1,
    )
    subject = _Prediction(loaded, options, precision, config.accumulate)
    return subject.result(config.batch_size, config.device_memory, config.device_title)


def _precision_of(loaded: Loaded, chosen: MemoryPrecision) -> MemoryPrecision:
    """That of the model, if it was built in a lower one and none was chosen."""
    lower = {torch.bfloat16: "bf16-true", torch.float16: "fp16-true"}
    found = lower.get(dtype_of(loaded.model) or torch.float32, chosen)
    return found if chosen == "fp32" else chosen


@overload
def _dtype(name: str) -> torch.dtype: ...
@overload
def _dtype(name: None) -> None: ...
def _dtype(name: str | None) -> torch.dtype | None:
    return None if name is None else getattr(torch, name)


class _Steps(NamedTuple):
    """The first step and a repeated one, at inference the same; a note if they were executed."""

    first: Step
    last: Step
    executed: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Prediction:
    """A prediction for a model, with the settings of its step."""

    loaded: Loaded
    options: StepOptions
    precision: MemoryPrecision
    accumulate: int

    def result(self, batch_size: int | None, limit: int | None, device: str | None) -> Memory:
        loaded, options = self.loaded, self.options
        if batch_size is not None:
            loaded = with_batch(loaded, batch_size)
        try:
            first, step, executed = self._steps(loaded)
        except ModelError as error:
            if not isinstance(error.__cause__, LaneError):
                # run the forward pass alone: if it fails too, its error has a diagnosis
                run_model(loaded, RunConfig(options.mode))
            raise
        timeline = Timeline(step, options.device)
        peak = timeline.peak
        batch = batch_of(loaded)
        fit = None
        if limit is not None:
            fit = self._fit(loaded, batch, peak.held_bytes, limit, device)
        training = options.optimizer is not None
        return Memory(
            tool=this_tool(),
            model=model_of(loaded, type(loaded.model).__name__),
            inputs=described_inputs(loaded),
            batch_size=batch,
            mode=options.mode,
            training=training,
            optimizer=options.optimizer,
            loss=step.loss,
            precision=self.precision,
            device=options.device,
            checkpointed=step.checkpointed,
            accumulate=self.accumulate,
            ddp=options.ddp,
            fsdp=None if options.fsdp is None else Sharded(options.fsdp.ranks, step.units),
            peak_bytes=peak.held_bytes,
            peak=peak,
            phases=tuple(timeline.phases()),
            timeline=tuple(timeline.moments()),
            operators=len(step.operators),
            layers=timeline.activations_by_layer() if training else (),
            fit=fit,
            notes=(*executed, *notes_of(step, Timeline(first, options.device), timeline)),
        )

    def _steps(self, loaded: Loaded) -> _Steps:
        try:
            steps = self._traced(loaded, self.options)
        except LaneError as error:
            with suppress(ModelError):
                steps = self._traced(loaded, replace(self.options, without_constants=True))
                return _Steps(steps[0], steps[-1])
            try:
                steps = self._executed(loaded)
            except LaneError as further:
                raise ModelError(
                    f"the memory of {loaded.spec} cannot be followed: {error.message}",
                    *error.details,
                    further.message,
                    *further.details,
                    hint="cnnstat shapes, which may run it for real, has its peak at inference",
                ) from error
            note = f"executed on the CPU, with these values and lengths: {error.message}"
            return _Steps(steps[0], steps[-1], (note,))
        return _Steps(steps[0], steps[-1])

    def _executed(self, loaded: Loaded) -> tuple[Step, ...]:
        """The steps of a run with data."""
        options = self.options
        if options.fsdp is not None or options.autocast is not None:
            raise LaneError("with --fsdp or in mixed precision it is not executed with data")
        copies = 1 if options.optimizer is None else 2 + len(OPTIMIZERS[options.optimizer].settings)
        model, lane = executable(loaded.builders, copies * param_bytes(loaded.model))
        return trace_step(model, loaded.inputs, loaded.named_inputs, options, lane)

    def _traced(self, loaded: Loaded, options: StepOptions) -> tuple[Step, ...]:
        model = meta_copy(loaded.model)  # a run may change the model
        return trace_step(model, loaded.inputs, loaded.named_inputs, options)

    def _fit(
        self, loaded: Loaded, batch: int | None, peak_bytes: int, limit: int, device: str | None
    ) -> BatchFit:
        if batch is None:
            raise UsageError("the input has no dimension that could be a batch")

        def peak_at(size: int) -> int | None:
            try:
                step = self._steps(with_batch(loaded, size)).last
            except ShapeError:  # batch norm cannot train on a batch of one
                return None
            return Timeline(step, self.options.device).peak.held_bytes

        found = largest_batch(peak_at, limit, (batch, peak_bytes))
        largest, most = found or (None, None)
        at_least = largest is not None and largest >= LARGEST
        return BatchFit(limit, peak_bytes <= limit, largest, most, device, at_least)


LARGEST = 2**24
"""The search ends here: larger batches may fit, but nobody trains with them."""


def largest_batch(
    peak_at: Callable[[int], int | None], limit: int, known: tuple[int, int]
) -> tuple[int, int] | None:
    """The largest batch whose peak is at most `limit`, and that peak; None if no batch fits.

    One run confirms that the batch fits, another that the next larger one does not. From `LARGEST`
    on, none larger is tried. `peak_at` returns the peak of a batch, None if the model does not run
    on it; `known` is a batch and its peak.
    """
    fits: tuple[int, int] | None = known if known[1] <= limit else None
    exceeds: tuple[int, int | None] | None = None if fits else known
    smallest = 0  # no batch up to this one runs
    while exceeds is None or exceeds[0] - (fits[0] if fits else smallest) > 1:
        if fits is not None and fits[0] >= LARGEST:
            break
        batch = min(_next(fits, exceeds, smallest, limit), max(LARGEST, known[0]))
        peak = peak_at(batch)
        if peak is None and fits is None:
            smallest = batch
        elif peak is not None and peak <= limit:
            fits = batch, peak
        else:
            exceeds = batch, peak
    return fits


def _next(
    fits: tuple[int, int] | None, exceeds: tuple[int, int | None] | None, smallest: int, limit: int
) -> int:
    """The batch to try next, by interpolation: peaks are nearly linear in the batch.

    A batch on which the model does not run has no peak; the search then bisects.
    """
    if exceeds is None:
        assert fits is not None
        return max(fits[0] + 1, min(2 * fits[0] * limit // max(1, fits[1]), 16 * fits[0]))
    if fits is None:
        return max(smallest + 1, exceeds[0] // 2)
    (low, least), (high, most) = fits, exceeds
    if most is None:
        return (low + high) // 2
    guess = low + (limit - least) * (high - low) // (most - least)
    # peaks are on or below the line between the two, so the guess is a lower bound
    return min(max(guess + (guess == low), low + 1), high - 1)
