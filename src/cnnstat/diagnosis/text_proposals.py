"""From a failure to changes of the source that may mend it, the most likely first.

They come from the refused operator and from what made its operands: every literal of the source
that decides a setting of a layer run so far is tried with the values for which the sizes would
fit, followed through the record. What is proposed is verified elsewhere, by doing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..trace.records import Failure
from .changes import Change, Proposal
from .costs import BLIND, ELSEWHERE, PLANNED, cost_of, distance, was_planned
from .flattened import side_proposals
from .likeness import TAKEN, Style, oddness, style_of
from .literals import Expression, Literal, Span, literals_in, plain, solved
from .mismatch import Mismatch, mismatch_of
from .resizing import fits
from .rewriting import Replacement
from .uses import (  # fmt: skip
    Use,
    literals_among,
    numbers_known,
    numbers_of,
    settings_with,
    uses_of,
)
from .wanted import related, sizes_for, values_wanted

_FUNCTIONS = 6  # function calls before the failure whose literals are tried


def text_proposals(failure: Failure, sizes: Iterable[int] = ()) -> list[Proposal]:
    """Changes of one number in the source, the least cost first.

    `sizes` are the numbers of the source that may be sizes, for a failure that tells of none.
    """
    mismatch = mismatch_of(failure)
    found = [*_of_settings(failure, mismatch), *_of_functions(failure, mismatch)]
    found += side_proposals(failure, mismatch)
    if not failure.calls or failure.in_model:
        found += _of_locals(failure, [] if failure.calls else list(sizes))
    return sorted(found, key=lambda proposal: proposal.cost)


def change_of(literals: Sequence[Literal], value: int) -> Change:
    """The change that writes `value` in the place of each of the literals."""
    if literals[0].span.argument:
        return Change(arguments={literals[0].span.argument: value})
    return Change(replacements=tuple(Replacement(x.span, str(value)) for x in literals))


def _of_settings(failure: Failure, mismatch: Mismatch) -> Iterator[Proposal]:
    reached = {call.path for call in failure.trace.calls if call.module}
    reached &= failure.trace.modules.keys()
    here = failure.calls[-1].path if failure.calls else ""
    found = uses_of(failure)
    modules = [failure.trace.modules[path] for path in dict.fromkeys(reached)]
    for together, uses in _knobs(found):
        own = {use.module.path for use in uses}
        if not own & reached:
            continue
        literal = together[0]
        style = style_of(module for module in modules if module.path not in own)
        for value in _values(together, uses, mismatch, failure):
            settings = settings_with(uses, dict.fromkeys(together, value))
            fit = None if settings is None else fits(failure, settings, {})
            if settings is None or fit is False or (fit is None and here not in own):
                continue
            cost = cost_of(literal, value, uses, settings, style, failure)
            yield Proposal(change_of(together, value), cost + BLIND * (fit is None), fit)


def _knobs(
    found: dict[Literal, list[Use]],
) -> Iterator[tuple[tuple[Literal, ...], list[Use]]]:
    """Literals one by one, and the equal ones of a tuple or of some arithmetic together:
    `kernel_size=(3, 3)`, `width * 5 * 5`.
    """
    yield from (((literal,), uses) for literal, uses in found.items())
    tuples: dict[tuple[str, str], list[Literal]] = {}
    pairs = {
        alike for uses in found.values() for use in uses if isinstance(use.origin, Expression)
        for alike in _alike(use.origin)
    }  # fmt: skip
    for literal, uses in found.items():
        for use in uses:
            if use.place is not None and isinstance(use.origin, Literal):
                tuples.setdefault((use.module.path, use.name), []).append(literal)
    pairs |= {
        tuple(dict.fromkeys(literals)) for literals in tuples.values()
        if len({literal.value for literal in literals}) == 1
    }  # fmt: skip
    for pair in pairs:
        if len(pair) > 1:
            uses = [use for literal in pair for use in found[literal]]
            yield pair, [use for i, use in enumerate(uses) if use not in uses[:i]]


def _alike(origin: Expression) -> Iterator[tuple[Literal, ...]]:
    """The literals of some arithmetic that are equal and stand beside each other in the source."""
    groups: dict[tuple[str, int, int | float], dict[Literal, None]] = {}
    for literal in literals_in(origin):
        place = literal.span.file, literal.span.line, literal.value
        groups.setdefault(place, {})[literal] = None
    yield from (tuple(group) for group in groups.values() if len(group) > 1)


def _values(
    together: Sequence[Literal], uses: list[Use], mismatch: Mismatch, failure: Failure
) -> list[int]:
    """The values of a literal, and of those that change with it, for which something might fit."""
    literal, *alike = together
    found: dict[int, None] = {}
    names = {use.name: use for use in uses}
    for name, use in names.items():
        for wanted in values_wanted(name, use.value, mismatch, failure, use.module):
            value = solved(use.origin, literal, wanted, alike)
            if value is not None and value >= 0:
                found[value] = None
    found.pop(int(literal.value), None)
    return list(found)


def _of_functions(failure: Failure, mismatch: Mismatch) -> Iterator[Proposal]:
    """Literals in a `forward`: the sizes of a view, the axis of a cat, the kernel of a pooling."""
    calls = [call for call in failure.trace.calls if call.kind == "function"][-_FUNCTIONS:]
    here = failure.open[-1] if failure.open else -1
    for call in calls:
        near = call.index == here
        for literal, origin in literals_among(failure.arguments.get(call.index, ())):
            small = range(-1, 8) if near or "pool" in call.type else ()
            for wanted in dict.fromkeys([*sizes_for(call.type, mismatch), *small]):
                value = solved(origin, literal, wanted)
                if value is None or value == literal.value or value < 0:
                    continue
                cost = 0.5 + ELSEWHERE * (not near) + distance(literal.value, value)
                cost += 0.3 * (call.type in ("view", "reshape") and value < 8)
                yield Proposal(change_of((literal,), value), cost)


def _of_locals(failure: Failure, sizes: list[int]) -> Iterator[Proposal]:
    """Numbers that the code knew which refused: a constructor's, or that of an assertion."""
    numbers = numbers_of(failure)
    numbers += [size for call in failure.calls[-1:] for x in call.inputs for size in x.shape]
    seen: set[tuple[Literal, int]] = set()
    for place, number in enumerate(numbers_known(failure)):
        for literal, origin in literals_among(number):
            for wanted in [*related(int(plain(number)), numbers), *sizes]:
                value = solved(origin, literal, wanted)
                if value is None or value < 0 or value == literal.value:
                    continue
                if (literal, value) in seen:
                    continue
                seen.add((literal, value))
                cost = 2.0 + 0.1 * place + 3 * distance(literal.value, value)
                cost += 0.1 * oddness("", {"out_features": wanted}, Style(frozenset(numbers)))
                yield Proposal(change_of((literal,), value), cost)


def whole_arguments(failure: Failure, constants: Mapping[Span, Span]) -> Iterator[Proposal]:
    """An argument of the layer that failed, which is arithmetic over several literals, as a whole.

    `constants` maps the place of each literal inside such an argument to that of the argument.
    """
    if not failure.calls:
        return
    mismatch, here = mismatch_of(failure), failure.calls[-1].path
    if failure.calls[-1].module is None:
        arguments = failure.arguments.get(failure.open[-1], ())
        for literal, _ in literals_among(arguments):
            outer = constants.get(literal.span)
            for _, seen in mismatch.pairs if outer else ():
                assert outer is not None
                change = Change(replacements=(Replacement(outer, str(seen)),))
                yield Proposal(change, 0.3)
        return
    for literal, uses in uses_of(failure).items():
        outer = constants.get(literal.span)
        modules = {use.module.path for use in uses}
        if outer is None or modules != {here}:
            continue
        for use in uses:
            if use.name not in TAKEN or mismatch.seen is None:
                continue
            settings = _as_whole(use, mismatch.seen)
            fit = fits(failure, {here: settings}, {})
            if fit is not False:
                change = Change(replacements=(Replacement(outer, str(mismatch.seen)),))
                cost = 0.15 + BLIND * (fit is None) + PLANNED * was_planned(failure, uses)
                yield Proposal(change, cost, fit)


def _as_whole(use: Use, value: int) -> dict[str, Any]:
    if use.place is None:
        return {use.name: value}
    held = list(plain(use.module.settings[use.name]))
    held[use.place] = value
    return {use.name: tuple(held)}
