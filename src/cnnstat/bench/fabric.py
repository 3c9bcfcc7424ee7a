"""The device, the precision and the processes of a run, through Lightning Fabric."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..choices import PRECISIONS, TrainingDevice
from ..errors import CnnstatError, ModelError, NotFound, UsageError
from ..tracing.process.global_state import warning_ignored
from .machine import import_extra
from .results import Protocol

_OF_SETUP = "The AccumulateGrad node's stream does not match"
"""torch warns of it because Fabric sets up DistributedDataParallel in a CUDA stream of its own."""


@contextmanager
def launched(protocol: Protocol) -> Iterator[Any]:
    """A launched Fabric; under torchrun, for one of its processes.

    Raises:
        UsageError: the device lacks the precision, or there are fewer GPUs than processes.
        ModelError: the device does not exist, or the extra `bench` is not installed.
    """
    kind = device_kind(protocol.device, protocol.precision)
    count, here = processes()
    _check_number_of_devices(kind, here)
    fabric_package = import_extra("lightning_fabric", "to train")
    for name in ("lightning_fabric", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    fabric = fabric_package.Fabric(
        accelerator=kind, devices=here, num_nodes=max(1, count // here),
        strategy="ddp" if is_distributed() else "auto",
        precision=PRECISIONS[protocol.precision].fabric,
    )  # fmt: skip
    with matmul_precision(protocol.precision), ended_by_torchrun(), warning_ignored(_OF_SETUP):
        had_group = _has_process_group()
        fabric.launch()
        try:
            yield fabric
        finally:
            if _has_process_group() and not had_group:  # one of the caller's goes on
                torch.distributed.destroy_process_group()


def _has_process_group() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _check_number_of_devices(kind: str, here: int) -> None:
    """Raise UsageError if the `here` processes of this machine have no GPU each.

    Every process finds this out by itself, before one waits for the others.
    """
    devices = torch.cuda.device_count() if kind == "cuda" else 1 if kind == "mps" else here
    if here <= devices:
        return
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") if kind == "cuda" else None
    raise UsageError(
        f"{here} processes on this machine, and {devices} GPU{'s' * (devices != 1)}",
        "each process trains on a GPU of its own",
        *([f"CUDA_VISIBLE_DEVICES is {visible!r}"] if visible is not None else []),
        hint=f"--nproc-per-node {devices}, or --device cpu",
    )


class ProcessEnded(ModelError):
    """Another process of the run ended, so that this one cannot go on."""


def process_ended() -> ProcessEnded:
    return ProcessEnded(
        f"a process of the run was lost: rank {os.environ.get('RANK', '0')} of "
        f"{os.environ.get('WORLD_SIZE', '1')} cannot go on without it",
        "its own error, or torchrun's message, says which rank it was and why; exit code -9 is a "
        "process that was killed, as when memory runs out",
    )


def has_process_ended(error: Exception) -> bool:
    """Whether an exchange between processes failed, as it does when one of them ended."""
    if not is_distributed() or isinstance(error, CnnstatError):
        return False
    # gloo, which exchanges between CPUs, raises a plain RuntimeError
    is_gloo = isinstance(error, RuntimeError) and "gloo" in str(error)
    return is_gloo or isinstance(error, torch.distributed.DistError)


@contextmanager
def ended_by_torchrun() -> Iterator[None]:
    """Inside, SIGTERM raises ProcessEnded: torchrun sends it when another process is lost."""

    def stop(number: int, frame: Any) -> None:
        raise process_ended()

    if not is_distributed() or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def device_kind(device: TrainingDevice, precision: str) -> str:
    """`cpu`, `cuda` or `mps`; for `auto` the fastest available.

    Raises:
        UsageError: the device lacks the precision.
        NotFound: the device does not exist.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    kind: str = device
    if kind == "auto":
        kind = "cuda" if available["cuda"] else "mps" if available["mps"] else "cpu"
    if not available.get(kind, True):
        built = f"this torch ({torch.__version__}) sees no {kind} device"
        raise NotFound(f"there is no {kind} device", built, hint="--device auto")
    if kind == "cpu" and precision in ("tf32", "fp16"):
        raise UsageError(f"--precision {precision} is for GPUs", hint="--precision fp32 or bf16")
    return kind


def processes() -> tuple[int, int]:
    """The number of processes that torchrun started, in total and on this machine."""
    if not is_distributed():
        return 1, 1
    return int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])


def is_distributed() -> bool:
    """Whether torchrun started this process.

    DistributedDataParallel then trains, even in a single process, so that its overhead is in the
    figures of one process as in those of several.
    """
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_first_process() -> bool:
    """Whether this process is the one that writes and prints."""
    return not is_distributed() or os.environ["RANK"] == "0"


@contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Allow TF32 only if it is chosen: torch rounds convolutions on a GPU to it by default."""
    cudnn: Any = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if PRECISIONS[precision].tf32 else "highest")
    cudnn.allow_tf32 = PRECISIONS[precision].tf32
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        cudnn.allow_tf32 = before[1]
