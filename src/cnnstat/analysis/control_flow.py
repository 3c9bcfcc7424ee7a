"""Branches and loops that depend on values: what of them is in the totals, in figures and words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..trace.records import Bound, Trace
from .results import Branches, Iterations, Layer, MaskedAttention, Tally, Totals


def branches_of(trace: Trace, layers: Sequence[Layer]) -> tuple[Branches, ...]:
    """The decisions between branches; exact where all branches cost the same."""
    found = []
    for flow in trace.control_flow:
        if not flow.branches:
            continue
        # a branch without operators has no row
        counted, *others = (layers[i].total if i >= 0 else Tally() for i in flow.branches)
        same = all(
            (other.macs, other.other_ops) == (counted.macs, counted.other_ops) for other in others
        )
        bound: Bound = "exact" if same else "at most"
        macs = tuple(other.macs for other in others)
        path = layers[flow.call].path
        found.append(Branches(flow.operator, path, counted.macs, macs, bound))
    return tuple(found)


def loops_of(trace: Trace) -> tuple[Iterations, ...]:
    return tuple(
        Iterations(flow.operator, trace.calls[flow.call].path, flow.iterations, flow.bound)
        for flow in trace.control_flow
        if flow.iterations is not None
    )


def block_masks_of(trace: Trace, layers: Sequence[Layer]) -> tuple[MaskedAttention, ...]:
    return tuple(
        MaskedAttention(layers[flow.call].path, layers[flow.call].total.macs, *flow.blocks)
        for flow in trace.control_flow
        if flow.blocks is not None
    )


def bounds_of(totals: Totals) -> set[Bound]:
    """The directions in which branches, loops and masks make the totals inexact."""
    bounds: list[Bound] = [branch.bound for branch in totals.branches]
    bounds += [loop.bound for loop in totals.loops]
    bounds += [mask.bound for mask in totals.block_masks]
    return {bound for bound in bounds if bound != "exact"}


def sentences(totals: Totals) -> Iterator[str]:
    """A sentence for each decision and each loop that depends on values."""
    for branch in totals.branches:
        others = " and ".join(f"{macs:,}" for macs in branch.other_macs)
        if branch.bound == "exact":
            yield f"{branch.path}: its branches cost the same, {branch.macs:,} MACs; one is counted"
        else:
            yield (
                f"{branch.path}: the branch that costs most is counted, {branch.macs:,} MACs; "
                f"the other has {others}"
            )
    for mask in totals.block_masks:
        if mask.computed is None:
            yield f"{mask.path} is counted without its block mask, which depends on data"
        elif mask.computed < mask.blocks:
            part = mask.macs * mask.computed // mask.blocks
            yield (
                f"{mask.path} is counted without its block mask: {mask.macs:,} MACs; {part:,} are "
                f"in the {mask.computed:,} of {mask.blocks:,} blocks that are not masked"
            )
    for loop in totals.loops:
        times = f"{loop.count:,} iteration{'s' * (loop.count != 1)}"
        if loop.bound == "at least":
            yield f"{loop.path} is counted for {times}: how often it runs depends on values"
        elif loop.bound == "at most":
            yield f"{loop.path} is counted for {times}, its maximum: it may end earlier"
