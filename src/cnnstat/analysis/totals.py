"""The totals of an analysis, and whether they are exact."""

from __future__ import annotations

from ..errors import CheckError
from ..operators.registry import uncounted_sentence
from ..render.blocks import Cell, Facts
from . import control_flow
from .control_flow import bounds_of
from .receptive_field import last_map
from .results import Analysis, BoundedPart
from .value_reads import depends_on
from .value_reads import sentences as value_sentences


def totals(analysis: Analysis) -> Facts:
    t = analysis.totals
    frozen = t.params - t.trainable_params
    bound = bound_of(analysis)
    items = [
        ("Parameters", Cell(t.params, "total", "0")),
        ("Frozen parameters", Cell(frozen, "total")),
        ("Buffers", Cell(t.buffers, "total")),
        ("MACs", Cell(t.macs, "total", "0", bound)),
        ("FLOPs (2 × MACs)", Cell(t.flops, "total", "0", bound)),
        ("Other operations", Cell(t.other_ops, "total", "0", bound)),
        *_training(analysis),
        ("Parameter memory", Cell(t.param_bytes, "bytes")),
        ("Activation memory", Cell(t.activation_bytes, "bytes")),
        (_PEAK[analysis.mode], Cell(t.peak_bytes, "bytes")),
        ("Receptive field", Cell(t.receptive_field, "sizes", _no_field(analysis))),
        ("Depth, in layers", Cell(t.depth, "number", "0")),
        ("Counted", Cell(footing(analysis))),
    ]
    optional = ("Frozen parameters", "Buffers")
    return Facts(tuple((name, cell) for name, cell in items if cell.value or name not in optional))


def _training(analysis: Analysis) -> list[tuple[str, Cell]]:
    t = analysis.totals
    if t.backward_macs is None:
        return []
    bound = _BOUNDS[_bounds(analysis, t.backward_uncounted)]
    both = _BOUNDS[_bounds(analysis, t.uncounted, t.backward_uncounted)]
    return [
        ("Backward MACs", Cell(t.backward_macs, "total", "0", bound)),
        ("Training MACs (forward + backward)", Cell(t.training_macs, "total", "0", both)),
        ("Other operations, backward", Cell(t.backward_other_ops, "total", "0", bound)),
    ]


_PEAK = {"eval": "Peak memory at inference", "train": "Peak memory, forward only"}


def _no_field(analysis: Analysis) -> str:
    last = last_map(analysis.layers)
    return (last and last.receptive_field_reason) or "no feature map"


def footing(analysis: Analysis) -> str:
    """A phrase on how the figures were computed: exactness, mode and lane."""
    t = analysis.totals
    bounds = _bounds(analysis, t.uncounted, t.backward_uncounted)
    return f"{bounds}; {analysis.mode} mode, {analysis.lane} lane"


_BOUNDS = {
    "exact": "", "a lower bound": "at least ", "an upper bound": "at most ",
    "approximate": "about ",
}  # fmt: skip


def bound_of(analysis: Analysis) -> str:
    """The prefix of a total that is only a bound: "at least ", or empty."""
    return _BOUNDS[_bounds(analysis, analysis.totals.uncounted)]


def _bounds(analysis: Analysis, *uncounted: dict[str, int]) -> str:
    """Whether a figure without the `uncounted` operators is exact, or which bound it is."""
    totals = analysis.totals
    flow = bounds_of(totals)
    depends = totals.bounded is not None and totals.bounded.fixed_macs != totals.macs
    low = any(uncounted) or "at least" in flow
    if any(depends_on(read) for read in totals.value_reads):
        return "approximate"
    if not depends and "at most" not in flow:
        return "a lower bound" if low else "exact"
    return "approximate" if low or (depends and analysis.lane == "cpu") else "an upper bound"


def bounds(analysis: Analysis) -> list[str]:
    """Sentences on why the totals are not exact, one for each cause."""
    totals = analysis.totals
    missing = [("the totals", totals.uncounted), ("backward totals", totals.backward_uncounted)]
    sentences = [
        f"{figures} are lower bounds: {uncounted_sentence(uncounted)}"
        for figures, uncounted in missing
        if uncounted
    ]
    sentences += value_sentences(totals.value_reads)
    bounded = analysis.totals.bounded
    if bounded is not None:
        sizes = "as these values gave them" if analysis.lane == "cpu" else "at their largest"
        sentences.append(f"sizes that depend on values are taken {sizes}: {_times(bounded.ops)}")
        parts = [_part(part) for part in bounded.parts]
        if parts:
            sentences.append(" + ".join([f"MACs: {bounded.fixed_macs:,} fixed", *parts]))
    return [*sentences, *control_flow.sentences(totals)]


def _part(part: BoundedPart) -> str:
    place = part.path or "the model"
    if part.macs_per_row is None:
        return f"{part.macs:,} in {place}"
    return f"{part.rows:,} × {part.macs_per_row:,} in {place}"


def _times(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count}×)" for name, count in counts.items())


def require_exact(*analyses: Analysis) -> None:
    """Raise CheckError if any total is not exact."""
    for analysis in analyses:
        totals = analysis.totals
        if not totals.exact or totals.backward_uncounted:
            raise CheckError(f"{analysis.model.spec}: the totals are not exact", *bounds(analysis))
