"""What a referee said, what it is expected to differ by, and our own figures by module."""

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
    """What a referee counted; None where it does not count it.

    `macs_by_module` leaves out what modules inside count. `unsupported` maps the operators that it
    says it cannot count to how often it met them. `stated` are differences that it shows itself
    and that no trace of ours does.
    """

    params: int | None
    macs: int | None
    macs_by_module: Mapping[str, int] | None = None
    unsupported: Mapping[str, int] = field(default_factory=dict)
    stated: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """One run of a referee: its figures, or the error it ended in, or why it was not tried."""

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
    """For each call the path of the module of the model that it is or that it happens in."""
    paths: list[str] = []
    for call in trace.calls:
        known = call.module is not None and call.path in trace.modules
        paths.append(call.path if known or call.parent is None else paths[call.parent])
    return paths


def own_macs(trace: Trace) -> Counter[str]:
    """Our MACs by module path, modules inside not included."""
    paths = module_paths(trace)
    macs: Counter[str] = Counter()
    for op in trace.ops:
        macs[paths[op.call] if op.call >= 0 else ""] += macs_of(op)
    return macs
