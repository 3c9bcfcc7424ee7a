"""The counts of a referee, its expected differences from ours, and our MACs by module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..operators.registry import cost_of
from ..trace.records import Op, Trace
from .results import Cause


@dataclass(frozen=True, slots=True)
class Difference:
    """One expected difference, theirs minus ours, in the module at `path`."""

    path: str
    kind: Cause
    what: str
    value: int
    figure: Literal["params", "macs"] = "macs"


@dataclass(frozen=True, slots=True)
class Figures:
    """The counts of a referee; None for what it does not count.

    `macs_by_module` excludes the modules inside each. `unsupported` maps the operators that the
    referee reports as unsupported to the number of times they ran. `stated` are differences that
    only the referee's own output shows, not our trace.
    """

    params: int | None
    macs: int | None
    macs_by_module: Mapping[str, int] | None = None
    unsupported: Mapping[str, int] = field(default_factory=dict)
    stated: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """One run of a referee: its figures, its error, or the reason why it was skipped."""

    name: str
    version: str
    device: str | None
    seconds: float | None
    figures: Figures | None = None
    error: str | None = None
    skipped: str | None = None


def macs_of(op: Op) -> int:
    cost = cost_of(op)
    return cost.macs if cost is not None else 0


def module_paths(trace: Trace) -> list[str]:
    """The path of the innermost module around each call, or of the call itself."""
    paths: list[str] = []
    for call in trace.calls:
        known = call.module is not None and call.path in trace.modules
        paths.append(call.path if known or call.parent is None else paths[call.parent])
    return paths


def macs_by_path(trace: Trace) -> Counter[str]:
    """Our MACs by module path, excluding the modules inside each."""
    paths = module_paths(trace)
    macs: Counter[str] = Counter()
    for op in trace.ops:
        macs[paths[op.call] if op.call >= 0 else ""] += macs_of(op)
    return macs
