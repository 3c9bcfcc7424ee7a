"""Predictions for a step: its FLOPs, a lower bound on its time, and its peak memory."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ..choices import PRECISIONS
from ..errors import ModelError, UsageError
from ..memory_usage.config import MemoryConfig
from ..memory_usage.predict import predict_memory
from ..memory_usage.results import Memory
from ..models.model_inputs import with_batch
from ..pipeline import run_model
from ..rooflines.bounds import roofline_of
from ..rooflines.gpus import device_named, peak_of
from ..rooflines.results import Device
from ..rooflines.target import Target, find_device
from ..run_config import ModelRequest, RunConfig
from ..tracing.process.turns import one_at_a_time
from .results import Prediction, Protocol
from .trainable import TrainableModel


def peaks_of(
    option: str | None, precisions: Iterable[str], device_name: str | None
) -> Device | None:
    """The peak throughput of `--device-peaks`, else that of a known GPU; None without either.

    Args:
        option: the text of `--device-peaks`.
        device_name: the driver's name of the GPU, None for another device.

    Raises:
        UsageError: `--device-peaks` is malformed, or has no peak at one of the precisions.
    """
    if option is not None:
        found = find_device(None, option) if "=" in option else find_device(option)
        for precision in precisions:
            peak_of(found, precision)
        return found
    try:
        return None if device_name is None else device_named(device_name)
    except UsageError:  # the table lacks this GPU
        return None


@one_at_a_time()
def predicted(
    trainable: TrainableModel, protocol: Protocol, device: torch.device, ddp: bool
) -> Prediction:
    """Predict a step of the optimizer in one process, or a forward pass with `inference`.

    The time is a lower bound and excludes the loss; the memory is that of eager operators.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    peaks = peaks_of(protocol.device_peaks, [protocol.precision], name)
    training = not protocol.inference
    run = run_model(with_batch(trainable.loaded, protocol.batch_size), RunConfig(training=training))
    totals = run.analysis.totals
    macs = totals.macs + (totals.backward_macs or 0)
    seconds = peak = None
    if peaks is not None:
        request = Target(peaks, protocol.precision, protocol.optimizer if training else None)
        bound = roofline_of(run.trace, run.analysis, request, protocol.batch_size)
        once = bound.update.seconds if bound.update else 0.0
        # a step has one update, and a forward and backward pass for each accumulated batch
        seconds = protocol.accumulate * (bound.seconds - once) + once
        peak = bound.peak_flops
    step, notes = _memory(trainable, protocol, device, ddp)
    return Prediction(
        flops=2 * macs * protocol.accumulate,
        seconds=seconds,
        peak_flops=peak,
        device=None if peaks is None else peaks.title,
        memory_bytes=step.peak_bytes if step else None,
        notes=notes,
    )


def largest_predicted(
    trainable: TrainableModel, protocol: Protocol, device: torch.device, room: int
) -> int | None:
    """The largest batch that is predicted to fit into `room` bytes; None without a prediction."""
    step, _ = _memory(trainable, protocol, device, ddp=False, room=room)
    return step.fit.largest_batch if step and step.fit else None


def _memory(
    trainable: TrainableModel,
    protocol: Protocol,
    device: torch.device,
    ddp: bool,
    room: int | None = None,
) -> tuple[Memory | None, tuple[str, ...]]:
    """The memory of a step; without a prediction None and a note with the reason."""
    reason = _unpredictable(protocol, device)
    if reason is not None:
        return None, (f"no memory is predicted {reason}",)
    config = MemoryConfig(
        optimizer=protocol.optimizer,
        inference=protocol.inference,
        # TF32 is fp32 in memory
        precision="fp32" if PRECISIONS[protocol.precision].tf32 else protocol.precision,
        device="cuda" if device.type == "cuda" else "cpu",
        device_memory=room,
        accumulate=protocol.accumulate,
        ddp=ddp and not protocol.inference,
    )
    loaded = with_batch(trainable.loaded, protocol.batch_size)
    request = ModelRequest(loaded.model, loaded.inputs, loaded.named_inputs)
    try:
        step = predict_memory(request, config)
    except ModelError as error:
        return None, (f"no memory is predicted: {error.message}",)
    return step, ()


def _unpredictable(protocol: Protocol, device: torch.device) -> str | None:
    if protocol.compile:
        return "with --compile, which chooses what is kept"
    return "for mps" if device.type == "mps" else None
