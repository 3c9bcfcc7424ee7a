"""The machine: optional packages, versions, memory, and whether clocks were throttled."""

from __future__ import annotations

import gc
import importlib
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from ..errors import ModelError
from ..models.torchvision_import import make_importable
from ..rooflines.measuring import processor_name
from .results import Environment


def import_extra(module: str, purpose: str) -> Any:
    """Import a module of the extra `bench`.

    Raises:
        ModelError: it is not installed, or its import fails.
    """
    try:
        make_importable()
        return importlib.import_module(module)
    except Exception as error:  # torchvision fails in many ways with a torch of another version
        raise ModelError(
            f"{module.partition('.')[0]} is needed {purpose}",
            f"{type(error).__name__}: {error}",
            hint="pip install 'cnnstat[bench]'",
        ) from error


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
        driver=_output_of("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
        if on_gpu else None,
        processes=processes,
        git_revision=_output_of("git", "rev-parse", "HEAD"),
    )  # fmt: skip


def _output_of(*command: str) -> str | None:
    """The first word that a command prints; None if it does not exist or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.split()
    return lines[0] if lines else None


# ---------------------------------------------------------------- memory


def reset_peak(device: torch.device) -> None:
    """Restart the measurement of `peak`."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: VmHWM restarts at VmRSS
    except OSError:
        return


def release(device: torch.device) -> None:
    """Free unused memory. A session is in a reference cycle, which needs the garbage collector."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def peak(device: torch.device) -> tuple[int | None, Any]:
    """Peak memory in bytes, and what it was measured of; None if it cannot be measured."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), "allocated on the device"
    most = process_memory("VmHWM")
    return most, None if most is None else "resident, whole process"


def memory_in_use() -> int | None:
    """Allocated bytes on the GPU if it is used, else the RSS of the process."""
    # torch declares no types for it
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch declares no types
        return torch.cuda.memory_allocated()
    return process_memory("VmRSS")


def process_memory(field: str) -> int | None:
    """A size in bytes of this process from `/proc/self/status`; None if it is missing."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:  # not Linux
        return None
    sizes = [int(line.split()[1]) for line in lines if line.startswith(f"{field}:")]
    return sizes[0] * 1024 if sizes else None


def is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # messages of torch's CPU allocator and of oneDNN, which raise a plain RuntimeError
    messages = ("can't allocate memory", "could not create a memory", "bad allocation")
    return isinstance(error, RuntimeError) and any(text in str(error) for text in messages)


# ---------------------------------------------------------------- throttling

_CPUS = Path("/sys/devices/system/cpu")
_HOT, _POWER = "it was too hot", "it was at its power limit"
_REASONS = {
    "sw_power_cap": _POWER, "hw_power_brake_slowdown": _POWER,
    "sw_thermal_slowdown": _HOT, "hw_thermal_slowdown": _HOT,
}  # fmt: skip
"""The driver's counters of microseconds, as `nvidia-smi --help-query-gpu` lists them under
`clocks_event_reasons_counters`; several can count at once."""
_NOTABLE = 0.01
"""A slowdown for a smaller share of the time is not reported."""


@contextmanager
def throttling(device: torch.device) -> Iterator[list[str]]:
    """Yield a list that gets notes on throttled clocks when the block ends.

    Linux counts throttling of the processor, the driver that of a GPU. The counters are read
    before and after only, because querying a GPU during training slows it down.
    """
    notes: list[str] = []
    before, gpu_before, start = times_throttled(), seconds_throttled(device), perf_counter()
    yield notes
    seconds, gpu_after = perf_counter() - start, seconds_throttled(device)
    notes += processor_notes(before, times_throttled())
    notes += gpu_notes(gpu_before, gpu_after, seconds)


def times_throttled(cpus: Path = _CPUS) -> int | None:
    """Sum over all cores since the machine started; None without counters (virtual machines)."""
    counts = []
    for file in cpus.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"):
        try:
            counts.append(int(file.read_text(encoding="ascii")))
        except (OSError, ValueError):
            return None
    return sum(counts) if counts else None


def processor_notes(before: int | None, after: int | None) -> tuple[str, ...]:
    """The note that the processor's clocks were throttled between two counts."""
    if before is None or after is None or after <= before:
        return ()
    times = "once" if after == before + 1 else f"{after - before} times"
    return (
        f"the processor was too hot and slowed its clocks down {times} meanwhile: "
        "cooled better it is faster",
    )


def seconds_throttled(device: torch.device) -> dict[str, float]:
    """Seconds that a GPU's clocks have been throttled so far, by reason.

    Empty for other devices, with drivers before version 560 and without nvidia-smi.
    """
    if device.type != "cuda":
        return {}
    return gpu_counters(f"GPU-{torch.cuda.get_device_properties(device).uuid}")


def gpu_counters(gpu: str) -> dict[str, float]:
    """The driver's counters of the GPU with a UUID, in seconds: the largest for each reason."""
    fields = ",".join(f"clocks_event_reasons_counters.{name}" for name in _REASONS)
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits", "-i", gpu]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return {}
    seconds: dict[str, float] = {}
    for reason, text in zip(_REASONS.values(), done.stdout.split(","), strict=False):
        if text.strip().isdecimal():  # a GPU without power brake prints [N/A] for it
            seconds[reason] = max(seconds.get(reason, 0.0), int(text) / 1e6)
    return seconds


def gpu_notes(
    before: Mapping[str, float], after: Mapping[str, float], seconds: float
) -> Iterator[str]:
    """Notes on the throttling of a GPU between two counts that are `seconds` apart."""
    for reason in after:
        share = (after[reason] - before.get(reason, after[reason])) / seconds
        if share >= _NOTABLE:
            share = min(share, 1.0)
            yield (
                f"the GPU slowed its clocks down because {reason}, for {100 * share:.0f} % of the "
                "time"
            )
