"""Model → Verification: cnnstat and other counters count a model, and differences are explained.

Each referee has a model of its own: the count of each operator or layer by the formulas in its
source code. Applied to our trace it predicts how the referee differs from us; any other difference
is unexplained.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ..analysis.results import Analysis
from ..errors import CheckError, UsageError
from ..models.loaded import Recorded
from ..pipeline import load_model, run_model
from ..run_config import ModelRequest, RunConfig
from ..trace.records import Trace
from ..tracing.run.copies import meta_copy
from ..units import format_difference
from .counters import CountRequest, absent, consult, fvcore, thop, torchinfo, torchprofile
from .counters import dispatch_counters as dispatch
from .differences import Count, Difference, macs_by_path
from .results import Bucket, LayerCheck, Referee, Verification


def verify_model(request: ModelRequest, config: RunConfig) -> Verification:
    """Count a model with cnnstat and with the other counters, and explain the differences."""
    loaded = load_model(request)
    if isinstance(loaded, Recorded):
        raise UsageError(f"{request.model} is a graph: other counters need a PyTorch model")
    untouched = meta_copy(loaded.model)
    run = run_model(loaded, config)
    has_data, notes = run.trace.lane != "meta", []
    if has_data:  # all counters must run on the same values
        notes.append(f"run on the CPU by all: {run.trace.lane_reason}")
        run = run_model(loaded, replace(config, lane="cpu"))
        assert loaded.builders.with_data is not None  # it was run just now
        untouched = loaded.builders.with_data()
    needed = run.analysis.totals.peak_bytes
    inputs, named = loaded.inputs, loaded.named_inputs
    to_count = CountRequest(untouched, inputs, named, run.mode, needed, has_data)
    to_count.settle()
    counted = Run(run.analysis, to_count.trace(composites=False), to_count.trace(composites=True))
    if missing := absent():
        notes.append(f"not installed, so not asked: {', '.join(missing)}")
    return verify(counted, consult(to_count), notes)


Model = Callable[[Trace], Iterable[Difference]]
OF_OPERATORS: dict[str, Model] = {
    "torchinfo": torchinfo.differences,
    "FlopCounterMode": dispatch.flop_counter_mode,
    "ptflops": dispatch.ptflops,
    "thop": thop.differences,
}
"""Models of the referees that see modules, or operators as they are dispatched."""
OF_COMPOSITES: dict[str, Model] = {
    "fvcore": fvcore.differences,
    "torchprofile": torchprofile.differences,
}
"""Models of the referees that see composite operators, not their parts."""

__all__ = ["OF_COMPOSITES", "OF_OPERATORS", "Count", "Difference", "Run", "verify"]


@dataclass(frozen=True)
class Run:
    """One model on one input: our counts, and two traces of it as torch runs it.

    `trace` has the dispatched operators, `composite_trace` also the composite ones around them.
    """

    analysis: Analysis
    trace: Trace
    composite_trace: Trace


def verify(run: Run, counts: Iterable[Count], notes: Iterable[str] = ()) -> Verification:
    """Explain the counts of each referee."""
    analysis = run.analysis
    referees = tuple(_referee(run, count) for count in counts)
    modelled = {**OF_OPERATORS, **OF_COMPOSITES}
    unmodelled = [r.name for r in referees if r.status == "ran" and r.name not in modelled]
    unknown = (f"what {name} counts is not modelled here" for name in unmodelled)
    return Verification(
        tool=analysis.tool, ours=analysis, referees=referees, notes=(*notes, *unknown)
    )


def _referee(run: Run, count: Count) -> Referee:
    figures, totals = count.figures, run.analysis.totals
    if figures is None:
        status: Literal["failed", "skipped"] = "skipped" if count.skipped else "failed"
        return Referee(
            name=count.name, version=count.version, device=count.device, seconds=count.seconds,
            status=status, reason=count.skipped or count.error,
        )  # fmt: skip
    found = [*_expected(run, count.name), *figures.stated]
    buckets = _buckets(found)
    return Referee(
        name=count.name,
        version=count.version,
        device=count.device,
        seconds=count.seconds,
        status="ran",
        params=figures.params,
        macs=figures.macs,
        params_unexplained=_remainder(figures.params, totals.params, buckets, "params"),
        macs_unexplained=_remainder(figures.macs, totals.macs, buckets, "macs"),
        buckets=buckets,
        layers=_layers(run.trace, figures.macs_by_module, found),
        unsupported=dict(figures.unsupported),
    )


def _expected(run: Run, name: str) -> Iterable[Difference]:
    if name in OF_COMPOSITES:
        return OF_COMPOSITES[name](run.composite_trace)
    return OF_OPERATORS[name](run.trace) if name in OF_OPERATORS else ()


def _remainder(theirs: int | None, ours: int, buckets: Iterable[Bucket], figure: str) -> int | None:
    if theirs is None:
        return None
    return theirs - ours - sum(bucket.value for bucket in buckets if bucket.figure == figure)


def _buckets(found: Iterable[Difference]) -> tuple[Bucket, ...]:
    """The differences summed by cause, the largest first."""
    groups: dict[tuple[Literal["params", "macs"], str], list[Difference]] = defaultdict(list)
    for difference in found:
        if difference.value:
            groups[difference.figure, difference.what].append(difference)
    buckets = [
        Bucket(
            figure=figure,
            kind=group[0].kind,
            what=what,
            value=sum(d.value for d in group),
            count=len(group),
            layers=tuple(dict.fromkeys(d.path for d in group)),
        )
        for (figure, what), group in groups.items()
    ]
    return tuple(sorted(buckets, key=lambda b: (b.figure, -abs(b.value), b.what)))


def _layers(
    trace: Trace, theirs: Mapping[str, int] | None, found: Iterable[Difference]
) -> tuple[LayerCheck, ...]:
    """The MACs of each module, in the order of calls; empty if the referee has none by module."""
    if theirs is None:
        return ()
    ours = macs_by_path(trace)
    explained: Counter[str] = Counter()
    for difference in found:
        if difference.figure == "macs":
            explained[difference.path] += difference.value
    called = [call.path for call in trace.calls if call.path in trace.modules]
    rows = []
    for path in dict.fromkeys((*called, *theirs)):
        figures = (ours[path], theirs.get(path, 0), explained[path])
        if any(figures):
            rows.append(LayerCheck(path, *figures, figures[1] - figures[0] - figures[2]))
    return tuple(rows)


def require_agreement(verification: Verification) -> None:
    """Raise CheckError if a difference from a referee is unexplained."""
    details = []
    for referee in verification.disagreeing:
        figures = {"parameters": referee.params_unexplained, "MACs": referee.macs_unexplained}
        amounts = [f"{format_difference(n)} {name}" for name, n in figures.items() if n]
        layers = [layer.path or "the model itself" for layer in referee.layers if layer.unexplained]
        where = f", in {', '.join(layers[:3])}{' …' if len(layers) > 3 else ''}" if layers else ""
        details.append(f"{referee.name}: {' and '.join(amounts) or 'in layers only'}{where}")
    if details:
        raise CheckError(
            f"{verification.ours.model.spec}: a difference is left that is not explained", *details
        )
