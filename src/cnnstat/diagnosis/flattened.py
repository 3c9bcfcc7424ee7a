"""The sides of a flattened map, written out in the argument of the layer behind it.

`nn.Linear(width * 5 * 5, 10)` behind a map of 7×3: both fives change, each to a side of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import prod

from ..trace.records import Failure
from .changes import Change, Proposal
from .literals import evaluated, literals_in
from .mismatch import Mismatch
from .resizing import fits
from .rewriting import Replacement
from .uses import settings_with, uses_of

_COST = 0.2  # little: the sides follow from what runs
_LITERALS = 6  # in one argument; more are no sides of a map


def side_proposals(failure: Failure, mismatch: Mismatch) -> Iterator[Proposal]:
    """Other values for several literals of the argument that tells how many features come in."""
    sides = _sides(failure, mismatch)
    if len(sides) < 2:
        return
    here = failure.calls[-1].path
    uses = uses_of(failure)
    origins = {
        use.origin: None
        for found in uses.values() for use in found
        if use.module.path == here and use.value == mismatch.expected
    }  # fmt: skip
    for origin in origins:
        literals = list(dict.fromkeys(literals_in(origin)))[:_LITERALS]
        for places in combinations(literals, len(sides)):
            values = dict(zip(places, sides, strict=True))
            changed = {place: side for place, side in values.items() if place.value != side}
            if len(changed) < 2 or any(place.span.argument for place in places):
                continue  # one literal alone is solved for elsewhere
            if evaluated(origin, values) != mismatch.seen:
                continue
            touched = [use for place in changed for use in uses[place]]
            settings = settings_with(touched, values)
            fit = None if settings is None else fits(failure, settings, {})
            if fit is not False and settings is not None:
                edits = (Replacement(place.span, str(side)) for place, side in changed.items())
                yield Proposal(Change(replacements=tuple(edits)), _COST, fit)


def _sides(failure: Failure, mismatch: Mismatch) -> tuple[int, ...]:
    """Of the map (batch, channels, *sides) whose flattening gave the features that do not fit."""
    if mismatch.kind != "features" or mismatch.operand is None or not failure.calls:
        return ()
    for op in reversed(failure.trace.ops):
        if any(out.value == mismatch.operand.value for out in op.outputs):
            shape = op.inputs[0].shape if op.inputs else ()
            return shape[2:] if prod(shape[1:]) == mismatch.seen else ()
    return ()
