"""Values that a model's code reads: which figures they change, as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath

from .results import ValueRead

TOTALS = {"MACs", "other operations", "activation memory"}
"""The effects that are figures of the report's totals."""


def depends_on(read: ValueRead) -> bool:
    """Whether the totals depend on the value, or may: other values were not tried."""
    return read.effects is None or not TOTALS.isdisjoint(read.effects)


def sentences(reads: Sequence[ValueRead]) -> Iterator[str]:
    """What each value changes; nothing for a condition whose two results give the same figures."""
    for read in reads:
        what = _reads(read)
        if read.effects is None:
            yield f"figures may depend on a value: {what}"
        elif read.effects:
            *others, last = read.effects
            listed = f"{', '.join(others)} and {last}" if others else last
            plural = bool(others) or last != "activation memory"
            yield f"{listed} {'depend' if plural else 'depends'} on a value: {what}"
        elif read.number:
            yield f"{what}; with other values the figures were the same"


def _reads(read: ValueRead) -> str:
    place = f"{PurePath(read.file).name}:{read.line}" if read.file else read.path or "the model"
    if not read.function:
        return f"{place} uses {read.origin}, which start from a fixed seed here"
    subject = "the condition" if read.function == "bool" else f"{read.function}()"
    return f"{subject} at {place} reads {_ORIGINS.get(read.origin, read.origin)}"


_ORIGINS = {
    "the input": "values of the input",
    "the parameters": "values of the parameters",
    "torch's random numbers": "torch's random numbers, which start from a fixed seed here",
}
