"""Whether clocks were slowed down meanwhile: of the processor as Linux counts it, of a GPU as its
driver does.

Both count by themselves, so that they are asked before and after: a program that looks at a GPU
while it trains makes it slower.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import torch

_CPUS = Path("/sys/devices/system/cpu")
_HOT, _POWER = "it was too hot", "it was at its power limit"
_REASONS = {
    "sw_power_cap": _POWER, "hw_power_brake_slowdown": _POWER,
    "sw_thermal_slowdown": _HOT, "hw_thermal_slowdown": _HOT,
}  # fmt: skip
"""The driver's counters of microseconds, as `nvidia-smi --help-query-gpu` lists them under
`clocks_event_reasons_counters`; several can count at once."""
_TOLD = 0.01
"""The share of the time from which on a slowdown is told."""


@contextmanager
def throttling(device: torch.device) -> Iterator[list[str]]:
    """Yields a list that has what there is to note of the clocks once the block is left."""
    notes: list[str] = []
    before, slow_before, start = times_throttled(), seconds_slow(device), perf_counter()
    yield notes
    seconds, slow = perf_counter() - start, seconds_slow(device)
    notes += processor_notes(before, times_throttled())
    notes += gpu_notes(slow_before, slow, seconds)


def times_throttled(cpus: Path = _CPUS) -> int | None:
    """Of all cores since the machine was started; None where nobody counts (virtual machines)."""
    counts = []
    for file in cpus.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"):
        try:
            counts.append(int(file.read_text(encoding="ascii")))
        except (OSError, ValueError):
            return None
    return sum(counts) if counts else None


def processor_notes(before: int | None, after: int | None) -> tuple[str, ...]:
    """That the processor's clocks were slowed down between two counts."""
    if before is None or after is None or after <= before:
        return ()
    times = "once" if after == before + 1 else f"{after - before} times"
    return (
        f"the processor was too hot and slowed its clocks down {times} meanwhile: "
        "cooled better it is faster",
    )


def seconds_slow(device: torch.device) -> dict[str, float]:
    """How long a GPU's clocks have been slowed down so far, for each reason; nothing where nobody
    counts: on other devices, with drivers before version 560 and without nvidia-smi.
    """
    if device.type != "cuda":
        return {}
    return counted(f"GPU-{torch.cuda.get_device_properties(device).uuid}")


def counted(gpu: str) -> dict[str, float]:
    """The driver's counters of a GPU, by its UUID, in seconds: the longest of those of a reason."""
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
    """Why a GPU's clocks were slowed down between two counts, and for which share of the time."""
    for reason in after:
        share = (after[reason] - before.get(reason, after[reason])) / seconds
        if share >= _TOLD:
            share = min(share, 1.0)
            yield (
                f"the GPU slowed its clocks down because {reason}, for {100 * share:.0f} % of the "
                "time"
            )
