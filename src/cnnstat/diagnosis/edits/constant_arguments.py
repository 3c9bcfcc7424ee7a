"""Arithmetic that is written out in an argument: `nn.Linear(16 * 5 * 5, 120)`.

Either the argument is replaced by its value, or each side of the flattened map changes: in
`width * 5 * 5` behind a map of 7×3, both fives, each to a side of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import prod
from typing import Any

from ..changes import Change, Proposal, Situation
from ..literals import Span, evaluated, literals_in, plain
from ..ranking import INPUT_SIZES, was_planned
from ..replay import fits
from ..source_text import Replacement
from ..uses import Use, literals_among, settings_with, uses_of
from ..weights import Features, Prior

_LITERALS = 6  # in one argument; more are no sides of a map


def constant_arguments(situation: Situation) -> Iterator[Proposal]:
    """The value that fits, in the place of an argument over several literals and nothing else."""
    failure, mismatch = situation.failure, situation.mismatch
    if not failure.calls:
        return
    if failure.calls[-1].module is None:
        yield from _arguments_of_the_function(situation)
        return
    for literal, uses in uses_of(failure).items():
        argument = situation.constants.get(literal.span)
        if argument is None or {use.module.path for use in uses} != {situation.failed_path}:
            continue
        for use in uses:
            if use.name not in INPUT_SIZES or mismatch.actual is None:
                continue
            settings = {situation.failed_path: _setting_with(use, mismatch.actual)}
            fit = fits(failure, settings, {})
            if fit is not False:
                features = Features(prior=Prior.WRITTEN_OUT_SIZE, is_undecided=fit is None,
                                    was_planned=was_planned(failure, uses))  # fmt: skip
                yield Proposal(_replacing(argument, mismatch.actual), features, fit)


def _arguments_of_the_function(situation: Situation) -> Iterator[Proposal]:
    failure = situation.failure
    for literal, _ in literals_among(failure.arguments.get(failure.open[-1], ())):
        argument = situation.constants.get(literal.span)
        for _, actual in situation.mismatch.pairs if argument else ():
            assert argument is not None
            features = Features(prior=Prior.WRITTEN_OUT_ARGUMENT)
            yield Proposal(_replacing(argument, actual), features)


def _replacing(argument: Span, value: int) -> Change:
    return Change(replacements=(Replacement(argument, str(value)),))


def _setting_with(use: Use, value: int) -> dict[str, Any]:
    if use.place is None:
        return {use.name: value}
    values = list(plain(use.module.settings[use.name]))
    values[use.place] = value
    return {use.name: tuple(values)}


def flattened_sides(situation: Situation) -> Iterator[Proposal]:
    """Other values for several literals in the size that a layer behind a flattened map takes."""
    failure, mismatch = situation.failure, situation.mismatch
    sides = sides_of_flattened(situation)
    if len(sides) < 2:
        return
    uses = uses_of(failure)
    origins = {
        use.origin: None
        for found in uses.values() for use in found
        if use.module.path == situation.failed_path and use.value == mismatch.expected
    }  # fmt: skip
    for origin in origins:
        literals = list(dict.fromkeys(literals_in(origin)))[:_LITERALS]
        for places in combinations(literals, len(sides)):
            values = dict(zip(places, sides, strict=True))
            changed = {place: side for place, side in values.items() if place.value != side}
            if len(changed) < 2 or any(place.span.argument for place in places):
                continue  # one literal alone is solved for in layer_settings.py
            if evaluated(origin, values) != mismatch.actual:
                continue
            settings = settings_with([use for place in changed for use in uses[place]], values)
            fit = None if settings is None else fits(failure, settings, {})
            if fit is not False and settings is not None:
                edits = (Replacement(place.span, str(side)) for place, side in changed.items())
                change = Change(replacements=tuple(edits))
                # An undecided fit costs nothing here: the arithmetic is known to give the size.
                yield Proposal(change, Features(prior=Prior.FLATTENED_SIDES), fit)


def sides_of_flattened(situation: Situation) -> tuple[int, ...]:
    """Of the map (batch, channels, *sides) whose flattening gave the features that do not fit."""
    failure, mismatch = situation.failure, situation.mismatch
    if mismatch.kind != "features" or mismatch.operand is None or not failure.calls:
        return ()
    for op in reversed(failure.trace.ops):
        if any(out.value == mismatch.operand.value for out in op.outputs):
            shape = op.inputs[0].shape if op.inputs else ()
            return shape[2:] if prod(shape[1:]) == mismatch.actual else ()
    return ()
