"""Memory that is held: on a GPU what is allocated there, else that of the whole process."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import torch


def reset_peak(device: torch.device) -> None:
    """Let the peak count from here on."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux
    except OSError:
        return


def release(device: torch.device) -> None:
    """Give back what nobody uses any more: a session lies in a cycle of references."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def peak(device: torch.device) -> tuple[int | None, Any]:
    """The most bytes that were held, and what that is of; None where nothing tells."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), "allocated on the device"
    most = resident("VmHWM")
    return most, None if most is None else "resident, whole process"


def held_now() -> int | None:
    # torch declares no types for it
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return torch.cuda.memory_allocated()
    return resident("VmRSS")


def resident(field: str) -> int | None:
    """A size of this process by its name in `/proc/self/status`; None where there is no such."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:  # no Linux
        return None
    sizes = [int(line.split()[1]) for line in lines if line.startswith(f"{field}:")]
    return sizes[0] * 1024 if sizes else None


def is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # what torch's allocator on the CPU says, and what oneDNN does
    said = ("can't allocate memory", "could not create a memory", "bad allocation")
    return isinstance(error, RuntimeError) and any(text in str(error) for text in said)
