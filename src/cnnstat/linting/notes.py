"""The notes of `shapes`: findings of rules that its one run decides, by code."""

from __future__ import annotations

from collections.abc import Iterator

from ..analysis.dataflow import returns_other_rows
from ..analysis.gradient_reach import without_gradient
from ..analysis.results import warning
from ..models.loaded import Loaded, Recorded
from ..trace.records import IN_THREADS, Trace


def notes_of(loaded: Loaded | Recorded, trace: Trace) -> Iterator[str]:
    """A sentence for each finding.

    Rules that need other runs are checked if this one is suspicious: it calls layers that no module
    registers, or returns another number of rows than it gets.
    """
    codes: list[str] = []
    if trace.unregistered:
        codes += ["CN101", "CN103"]
    in_threads = any(op.name == IN_THREADS for op in trace.ops)  # they may use what seems unused
    if not in_threads and next(without_gradient(trace), None) is not None:
        codes.append("CN106")
    if returns_other_rows(trace):
        codes.append("CN206")
    if codes:
        yield from _found(codes, loaded, trace)


def _found(codes: list[str], loaded: Loaded | Recorded, trace: Trace) -> Iterator[str]:
    # Imported here: most runs have nothing to note.
    from .folding import groups
    from .rules import RULES
    from .runs import NotRun, Runs

    runs = Runs.of_trace(loaded, trace)
    for code in codes:
        try:
            hits = list(RULES[code].check(runs))
        except NotRun:
            continue
        for group in groups(RULES[code], hits, runs.modules, trace.model):
            text = f"{code}: {group.text}"
            yield text if group.severity == "hint" else warning(text)
