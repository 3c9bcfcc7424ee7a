"""The function `memory`: from a model to what a step of it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..choices import (
    DEVICE_KINDS,
    MODES,
    OPTIMIZERS,
    PRECISIONS,
    DeviceKind,
    MemoryPrecision,
    Mode,
    OptimizerName,
    check_choice,
    precisions_of,
)
from ..errors import LaneError, ModelError, ShapeError, UsageError
from ..models.batch_size import batch_of, described_inputs, with_batch
from ..models.loaded import Loaded
from ..models.saved import is_saved
from ..pipeline import (
    RunOptions,
    load_model,
    model_of,
    run_model,
    this_tool,
)
from ..trace.step_records import Step
from ..tracing.copies import meta_copy
from ..tracing.sharding import Sharding
from ..tracing.step import StepOptions, trace_step
from .largest_batch import largest_batch
from .limit import limit_bytes
from .notes import notes_of
from .results import BatchFit, Memory, Sharded
from .timeline import Timeline


def memory(
    model: str | nn.Module,
    *inputs: Any,
    batch_size: int | None = None,
    optimizer: OptimizerName = "sgd",
    inference: bool = False,
    mode: Mode | None = None,
    precision: MemoryPrecision = "fp32",
    device: DeviceKind = "cuda",
    device_memory: int | str | None = None,
    checkpoint: Sequence[str] = (),
    ddp: bool = False,
    accumulate: int = 1,
    fsdp: int | None = None,
    fsdp_units: Sequence[str] = (),
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Memory:
    """Tell what one training step, or a forward pass, will hold on a device; nothing is trained.

    Forward pass, loss, backward pass and optimizer run on tensors without data, and every storage
    is followed from the operator that makes it until it is freed.

    Args:
        model: a spec (`"nin"`) or an `nn.Module`, which is left untouched.
        inputs: positional inputs, as `analyze` takes them.
        batch_size: the size of the first dimension of every input that shares it; by default that
            of the inputs.
        optimizer: one of torch's, with its defaults; "momentum" and "nesterov" are SGD with one.
        inference: run the forward pass alone, without gradients.
        mode: "eval" or "train"; by default "train", for inference "eval".
        precision: "fp32", "bf16-true" or "fp16-true" for parameters, inputs and all that follows;
            "bf16" for `torch.autocast` around the forward pass and the loss, "fp16" for that with
            the loss scaled.
        device: "cuda" or "cpu": the forms of operators that torch takes there, and on CUDA sizes
            in blocks of 512 bytes, as `torch.cuda.max_memory_allocated` counts them.
        device_memory: bytes, or a text as "24GiB": then the largest batch that fits is found.
        checkpoint: patterns of module paths ("features.*") whose activations are recomputed in
            the backward pass (`torch.utils.checkpoint`, `use_reentrant=False`).
        ddp: the step of one rank of DistributedDataParallel, whose buckets hold a second copy of
            the gradients; the batch is that of the rank.
        accumulate: how many batches a step adds up the gradients of; more than one makes the
            figures those of the last, beside the gradients of those before.
        fsdp: the step of the first of this many ranks, over which FSDP (`fully_shard`) shares out
            parameters, gradients and the optimizer's state; the batch is that of the rank.
            Precision "bf16" is then FSDP's own: parameters are gathered in bfloat16, gradients
            reduced in float32.
        fsdp_units: patterns of paths of the modules whose parameters are gathered together
            ("layers.*"); by default the blocks of the network: modules with modules inside that
            stand in a list. What is in none is gathered with the model itself.
        arguments: the model's constructor arguments, for a spec.
        named_inputs: inputs passed by keyword, likewise.

    Raises:
        UsageError: the spec, an input or an option cannot be understood.
        ModelError: the model cannot be built, run without data or trained; ShapeError if its
            shapes don't fit.
    """
    check_choice("mode", mode, (None, *MODES))
    check_choice("optimizer", optimizer, tuple(OPTIMIZERS))
    check_choice("precision", precision, precisions_of("memory"))
    check_choice("device", device, DEVICE_KINDS)
    if inference:
        _refuse_training_options(bool(checkpoint), ddp, accumulate)
    if accumulate < 1:
        raise UsageError(f"a step adds up the gradients of at least one batch, not {accumulate}")
    sharding = _sharding(fsdp, tuple(fsdp_units), precision)
    if ddp and fsdp:
        raise UsageError("a model is either copied to each rank (--ddp) or sharded (--fsdp)",
                         hint="leave out one of them")  # fmt: skip
    if is_saved(model):
        raise UsageError(f"{model} is a saved analysis: a step needs the model itself")
    limit = limit_bytes(device_memory)
    call = "cnnstat.memory(model, {})"
    loaded = load_model(model, inputs, named_inputs, arguments, call)
    if not isinstance(loaded, Loaded):
        raise UsageError(f"{model} is a graph that is not run: its memory cannot be followed")
    if loaded.mode == "eval" and not inference:
        raise UsageError(f"{loaded.spec} was exported in eval mode: it is no model to train",
                         hint="add --inference")  # fmt: skip
    options = StepOptions(
        mode=loaded.mode or mode or ("eval" if inference else "train"),
        optimizer=None if inference else optimizer,
        device=device,
        dtype=_dtype(PRECISIONS[precision].parameters),
        checkpoint=tuple(checkpoint),
        ddp=ddp,
        autocast=None if sharding else _autocast(precision),
        fsdp=sharding,
        accumulated=accumulate > 1,
    )
    subject = _Subject(loaded, options, precision, accumulate)
    return subject.result(batch_size, limit)


def _autocast(precision: MemoryPrecision) -> torch.dtype | None:
    lower = PRECISIONS[precision].autocast
    return None if lower is None else _dtype(lower)


def _dtype(name: str) -> torch.dtype:
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def _refuse_training_options(checkpoint: bool, ddp: bool, accumulate: int) -> None:
    if checkpoint:
        raise UsageError("inference keeps no activations: there is nothing to checkpoint")
    if ddp:
        raise UsageError("inference has no gradients that ranks could exchange",
                         hint="leave out --ddp or --inference")  # fmt: skip
    if accumulate > 1:
        raise UsageError("inference has no gradients to accumulate",
                         hint="leave out --accumulate or --inference")  # fmt: skip


def _sharding(
    ranks: int | None, units: tuple[str, ...], precision: MemoryPrecision
) -> Sharding | None:
    if ranks is None:
        if units:
            raise UsageError("units are FSDP's: over how many ranks?", hint="--fsdp 8")
        return None
    if ranks < 2:
        raise UsageError(f"FSDP over {ranks} ranks: it takes two to share", hint="--fsdp 8")
    if precision == "fp16":
        raise UsageError("fp16 with a scaled loss is not followed over the ranks of FSDP",
                         hint="--precision bf16")  # fmt: skip
    return Sharding(ranks, units, _autocast(precision))


@dataclass(frozen=True)
class _Subject:
    """A model, and how its step is made."""

    loaded: Loaded
    options: StepOptions
    precision: MemoryPrecision
    accumulate: int

    def result(self, batch_size: int | None, limit: int | None) -> Memory:
        loaded, options = self.loaded, self.options
        if batch_size is not None:
            loaded = with_batch(loaded, batch_size)
        try:
            first, step = self._steps(loaded)
        except ModelError as error:
            if not isinstance(error.__cause__, LaneError):
                # the forward pass alone fails as it does for `shapes`, with its diagnosis
                run_model(loaded, RunOptions(options.mode, "meta"))
            raise
        timeline = Timeline(step, options.device)
        peak = timeline.peak
        batch = batch_of(loaded)
        fit = None if limit is None else self._fit(loaded, batch, peak.held_bytes, limit)
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
            layers=timeline.kept() if training else (),
            fit=fit,
            notes=notes_of(step, Timeline(first, options.device), timeline),
        )

    def _steps(self, loaded: Loaded) -> tuple[Step, Step]:
        """The first step and the one that is repeated; at inference they are one."""
        model = meta_copy(loaded.model)  # a run may leave traces on it
        try:
            steps = trace_step(model, loaded.inputs, loaded.named_inputs, self.options)
        except LaneError as error:
            raise ModelError(
                f"the memory of {loaded.spec} cannot be followed: {error.message}",
                *error.details,
                "a step is followed on tensors without data only",
                hint="cnnstat shapes, which may run it for real and tells its peak at inference",
            ) from error
        return steps[0], steps[-1]

    def _fit(self, loaded: Loaded, batch: int | None, peak_bytes: int, limit: int) -> BatchFit:
        if batch is None:
            raise UsageError("the input has no dimension that could be a batch")

        def peak_at(size: int) -> int | None:
            try:
                _, step = self._steps(with_batch(loaded, size))
            except ShapeError:  # a batch norm in training takes no batch of one
                return None
            return Timeline(step, self.options.device).peak.held_bytes

        found = largest_batch(peak_at, limit, (batch, peak_bytes))
        return BatchFit(limit, peak_bytes <= limit, *(found or (None, None)))
