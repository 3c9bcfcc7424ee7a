"""What was to be expected of a step before it ran: its arithmetic, the least time it takes on the
device, and the memory that it holds there."""

from __future__ import annotations

import torch

from ..choices import PRECISIONS
from ..errors import ModelError, UsageError
from ..memory_usage.config import MemoryConfig
from ..memory_usage.predict import predict_memory
from ..memory_usage.results import Memory
from ..models.model_inputs import with_batch
from ..pipeline import run_model
from ..rooflines.bounds import roofline_of
from ..rooflines.config import Question, find_device
from ..rooflines.devices import device_named, peak_of
from ..rooflines.results import Device
from ..run_config import ModelRequest, RunConfig
from .building import Subject
from .results import Prediction, Protocol


def peaks_of(protocol: Protocol, device_name: str | None) -> Device | None:
    """The peaks that were given, else those of a GPU that is known; None without any.

    Args:
        device_name: what the driver calls the GPU, None for another device.

    Raises:
        UsageError: what was given cannot be understood, or has no peak at that precision.
    """
    given = protocol.device_peaks
    if given is not None:
        found = find_device(None, given) if "=" in given else find_device(given)
        peak_of(found, protocol.precision)
        return found
    try:
        return None if device_name is None else device_named(device_name)
    except UsageError:  # a GPU that the table does not have
        return None


def predicted(subject: Subject, protocol: Protocol, device: torch.device, ddp: bool) -> Prediction:
    """What one process does in a step of the optimizer, or in a forward pass with `inference`.

    The time is a lower bound without the loss; the memory is that of torch's operators one by one.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    peaks = peaks_of(protocol, name)
    training = not protocol.inference
    run = run_model(with_batch(subject.loaded, protocol.batch_size), RunConfig(training=training))
    totals = run.analysis.totals
    macs = totals.macs + (totals.backward_macs or 0)
    seconds = peak = None
    if peaks is not None:
        question = Question(peaks, protocol.precision, protocol.optimizer if training else None)
        bound = roofline_of(run.trace, run.analysis, question, protocol.batch_size)
        once = bound.update.seconds if bound.update else 0.0
        seconds = protocol.accumulate * (bound.seconds - once) + once
        peak = bound.peak_flops
    step, notes = _memory(subject, protocol, device, ddp)
    return Prediction(
        flops=2 * macs * protocol.accumulate,
        seconds=seconds,
        peak_flops=peak,
        device=None if peaks is None else peaks.title,
        memory_bytes=step.peak_bytes if step else None,
        notes=notes,
    )


def largest_predicted(
    subject: Subject, protocol: Protocol, device: torch.device, room: int
) -> int | None:
    """The largest batch that is predicted to fit into `room` bytes; None if none is predicted."""
    step, _ = _memory(subject, protocol, device, ddp=False, room=room)
    return step.fit.largest_batch if step and step.fit else None


def _memory(
    subject: Subject,
    protocol: Protocol,
    device: torch.device,
    ddp: bool,
    room: int | None = None,
) -> tuple[Memory | None, tuple[str, ...]]:
    """The step's memory, or why it is not predicted."""
    reason = _unpredictable(protocol, device)
    if reason is not None:
        return None, (f"no memory is predicted {reason}",)
    asked = MemoryConfig(
        optimizer=protocol.optimizer,
        inference=protocol.inference,
        # TF32 is fp32 in memory
        precision="fp32" if PRECISIONS[protocol.precision].tf32 else protocol.precision,
        device="cuda" if device.type == "cuda" else "cpu",
        device_memory=room,
        accumulate=protocol.accumulate,
        ddp=ddp and not protocol.inference,
    )
    image = (protocol.batch_size, *subject.image)
    try:
        step = predict_memory(ModelRequest(subject.loaded.model, (image,)), asked)
    except ModelError as error:
        return None, (f"no memory is predicted: {error.message}",)
    return step, ()


def _unpredictable(protocol: Protocol, device: torch.device) -> str | None:
    if protocol.compile:
        return "with --compile, which chooses what is kept"
    return "for mps" if device.type == "mps" else None
