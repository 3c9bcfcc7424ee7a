"""How often the processor slowed its clocks down because it was too hot, as Linux counts it."""

from __future__ import annotations

from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")


def times_throttled(cpus: Path = _CPUS) -> int | None:
    """Of all cores since the machine was started; None where nobody counts (virtual machines)."""
    counts = []
    for file in cpus.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"):
        try:
            counts.append(int(file.read_text(encoding="ascii")))
        except (OSError, ValueError):
            return None
    return sum(counts) if counts else None


def throttling_notes(before: int | None, after: int | None) -> tuple[str, ...]:
    """That the clocks were slowed down between two counts."""
    if before is None or after is None or after <= before:
        return ()
    times = "once" if after == before + 1 else f"{after - before} times"
    return (
        f"the processor was too hot and slowed its clocks down {times} meanwhile: "
        "cooled better it is faster",
    )
