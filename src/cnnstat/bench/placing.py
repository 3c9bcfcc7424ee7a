"""The device, the precision and the processes, through lightning-fabric; and what machine it is."""

from __future__ import annotations

import logging
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..choices import PRECISIONS, BenchPrecision
from ..errors import ModelError, UsageError
from ..rooflines.measuring import processor_name
from .extra import needed
from .results import Environment, Protocol


@contextmanager
def placed(protocol: Protocol) -> Iterator[Any]:
    """A launched Fabric; under torchrun one of its processes.

    Raises:
        UsageError: the device cannot do what is asked of it.
        ModelError: there is no such device, or the extra `bench` is not installed.
    """
    fabric_package = needed("lightning_fabric", "to train")
    for name in ("lightning_fabric", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    kind = device_kind(protocol)
    count, here = processes()
    fabric = fabric_package.Fabric(
        accelerator=kind, devices=here, num_nodes=max(1, count // here),
        strategy="ddp" if is_distributed() else "auto",
        precision=PRECISIONS[protocol.precision].fabric,
    )  # fmt: skip
    with _products_in(protocol.precision):
        fabric.launch()
        try:
            yield fabric
        finally:
            if torch.distributed.is_available() and torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()


def device_kind(protocol: Protocol) -> str:
    """`cpu`, `cuda` or `mps`; `auto` takes the best there is.

    Raises:
        UsageError: the device does not have that precision.
        ModelError: there is no such device.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    kind = protocol.device
    if kind == "auto":
        kind = "cuda" if there["cuda"] else "mps" if there["mps"] else "cpu"
    if not there.get(kind, True):
        built = f"this torch ({torch.__version__}) sees no {kind} device"
        raise ModelError(f"there is no {kind} device", built, hint="--device auto")
    if kind == "cpu" and protocol.precision in ("tf32", "fp16"):
        raise UsageError(
            f"--precision {protocol.precision} is for GPUs", hint="--precision fp32 or bf16"
        )
    return kind


def processes() -> tuple[int, int]:
    """How many processes torchrun started, and how many of them on this machine."""
    if not is_distributed():
        return 1, 1
    return int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])


def is_distributed() -> bool:
    """Whether torchrun started this process, be it alone: then DistributedDataParallel trains.

    With one process its cost is in the figures, as it is with more.
    """
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_first_process() -> bool:
    """Whether this is the process that writes and prints."""
    return not is_distributed() or os.environ["RANK"] == "0"


@contextmanager
def _products_in(precision: BenchPrecision) -> Iterator[None]:
    """fp32 means fp32: by default torch lets convolutions on a GPU round to TF32."""
    cudnn: Any = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if PRECISIONS[precision].tf32 else "highest")
    cudnn.allow_tf32 = PRECISIONS[precision].tf32
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        cudnn.allow_tf32 = before[1]


def environment(device: torch.device, processes: int) -> Environment:
    on_gpu = device.type == "cuda"
    return Environment(
        torch=str(torch.__version__),
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=processor_name(),
        threads=torch.get_num_threads(),
        device=device.type,
        device_name=torch.cuda.get_device_name(device) if on_gpu else processor_name(),
        cuda=torch.version.cuda if on_gpu else None,
        driver=_printed("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
        if on_gpu else None,
        processes=processes,
        git_revision=_printed("git", "rev-parse", "HEAD"),
    )  # fmt: skip


def _printed(*command: str) -> str | None:
    """The first line that a command prints; None where there is no such command or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.split()
    return lines[0] if lines else None
