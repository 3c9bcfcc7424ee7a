"""The result of `verify`."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from ..analysis.results import Analysis, Tool
from ..results import Record, Result

Cause = Literal[
    "norm", "pooling", "resizing", "bias", "activation", "elementwise", "embedding", "unseen",
    "twice", "formula",
]  # fmt: skip


class Bucket(Record, frozen=True):
    """One cause of a difference: `value` is the referee's figure minus ours.

    It is derived from the shapes of our trace and the referee's formulas, not from the referee's
    result. `count` is the number of operators or calls in the sum, `layers` where they ran.
    """

    figure: Literal["params", "macs"]
    kind: Cause
    what: str
    value: int
    count: int
    layers: tuple[str, ...]


class LayerCheck(Record, frozen=True):
    """The MACs of one module by both counters, excluding the modules inside it.

    `unexplained` is theirs − ours − explained.
    """

    path: str
    ours: int
    theirs: int
    explained: int
    unexplained: int


class Referee(Record, frozen=True, kw_only=True):
    """The counts of another counter, and the causes of its differences from ours.

    `status` is "ran", "failed" (on this model) or "skipped"; `reason` says why for the last two.
    `params` and `macs` are None if it does not count them. `unsupported` are the operators that it
    reports as unsupported.
    """

    name: str
    version: str
    device: str | None
    seconds: float | None
    status: Literal["ran", "failed", "skipped"]
    reason: str | None = None
    params: int | None = None
    macs: int | None = None
    params_unexplained: int | None = None
    macs_unexplained: int | None = None
    buckets: tuple[Bucket, ...] = ()
    layers: tuple[LayerCheck, ...] = ()
    unsupported: dict[str, int] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether all differences are explained, in total and in every layer."""
        differences = (self.params_unexplained, self.macs_unexplained)
        return not any(differences) and not any(layer.unexplained for layer in self.layers)


class Verification(Result, frozen=True, kw_only=True):
    """One model counted by cnnstat and by other counters, and the differences."""

    kind: Literal["verification"] = "verification"
    tool: Tool
    ours: Analysis
    referees: tuple[Referee, ...]
    notes: tuple[str, ...]

    @property
    def disagreeing(self) -> tuple[Referee, ...]:
        """The referees with an unexplained difference."""
        return tuple(referee for referee in self.referees if not referee.agrees)
