"""Whether clocks were slowed down meanwhile: of the processor as Linux counts it, of a GPU as
nvidia-smi sees it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

import torch

_CPUS = Path("/sys/devices/system/cpu")
_EVERY_MS = 500
_HOT, _POWER = "it was too hot", "it was at its power limit"
_REASONS = {0x04: _POWER, 0x20: _HOT, 0x40: _HOT, 0x80: _POWER}
"""The bits of a mask, as NVML's `nvmlClocksThrottleReason…` have them: software's power cap and
thermal slowdown, the hardware's thermal slowdown and power brake."""


@contextmanager
def throttling(device: torch.device) -> Iterator[list[str]]:
    """Yields a list that has what there is to note of the clocks once the block is left."""
    notes: list[str] = []
    before = times_throttled()
    with _masks_of(device) as masks:
        yield notes
    notes += processor_notes(before, times_throttled())
    notes += gpu_notes(masks)


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


def gpu_notes(masks: Sequence[int]) -> Iterator[str]:
    """Why a GPU's clocks were slowed down, by the reasons seen at each look."""
    for reason in dict.fromkeys(_REASONS.values()):
        bits = sum(bit for bit, meaning in _REASONS.items() if meaning == reason)
        seen = sum(bool(mask & bits) for mask in masks)
        if seen:
            share = f"at {seen} of {len(masks)} looks, one every {_EVERY_MS / 1000:g} s"
            yield f"the GPU slowed its clocks down because {reason}, {share}"


@contextmanager
def _masks_of(device: torch.device) -> Iterator[list[int]]:
    """Yields a list that has the reasons of every look at a GPU once the block is left."""
    masks: list[int] = []
    if device.type != "cuda":
        yield masks
        return
    with looks(f"GPU-{torch.cuda.get_device_properties(device).uuid}") as masks:
        yield masks


@contextmanager
def looks(gpu: str) -> Iterator[list[int]]:
    """Looks at a GPU, by its UUID, while the block runs; none where there is no nvidia-smi."""
    command = ["nvidia-smi", "--query-gpu=clocks_throttle_reasons.active",
               "--format=csv,noheader", f"--loop-ms={_EVERY_MS}", "-i", gpu]  # fmt: skip
    masks: list[int] = []
    with TemporaryFile("w+", encoding="ascii") as told:
        try:
            looking = subprocess.Popen(command, stdout=told, stderr=subprocess.DEVNULL)
        except OSError:
            yield masks
            return
        try:
            yield masks
        finally:
            looking.terminate()
            looking.wait()
            told.seek(0)
            masks += [int(line, 16) for line in told if line.startswith("0x")]
