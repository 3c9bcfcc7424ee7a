"""Another number in the code of a `forward` or a constructor, outside the settings of a layer."""

from __future__ import annotations

from collections.abc import Iterator

from ..changes import Proposal, Situation
from ..literals import Literal, evaluated, plain, solved
from ..mismatch import Mismatch
from ..ranking import Style, layer_surprisal, relative_change
from ..uses import literals_among, numbers_in_scope, numbers_of
from ..weights import Features, Prior
from .layer_settings import change_of

_FUNCTIONS = 6  # function calls before the failure whose literals are tried
_SIZING = {"pad", "unfold", "fold"}  # functions with small numbers that change the sides of maps
_NEAREST = 8  # values that are tried in the place of one number


def function_literals(situation: Situation) -> Iterator[Proposal]:
    """Literals in a `forward`: the sizes of a view, the axis of a cat, the kernel of a pooling."""
    failure = situation.failure
    calls = [call for call in failure.trace.calls if call.kind == "function"]
    calls = [c for c in calls[:-_FUNCTIONS] if c.type in _SIZING][-2:] + calls[-_FUNCTIONS:]
    innermost = failure.open[-1] if failure.open else -1
    for call in calls:
        is_here = call.index == innermost
        for literal, origin in literals_among(failure.arguments.get(call.index, ())):
            small = range(-1, 8) if is_here or "pool" in call.type or call.type in _SIZING else ()
            sizes = _sizes_for(call.type, situation.mismatch)
            for target in dict.fromkeys([*sizes, *small]):
                value = solved(origin, literal, target)
                if value is None or value == literal.value or value < 0:
                    continue
                features = Features(
                    prior=Prior.FUNCTION_ARGUMENT,
                    is_elsewhere=not is_here,
                    change=relative_change(literal.value, value),
                    changes_window="pool" in call.type,
                    is_short_view=call.type in ("view", "reshape") and value < 8,
                )
                yield Proposal(change_of((literal,), value), features)


def rows_of_views(situation: Situation) -> Iterator[Proposal]:
    """Numbers behind an earlier `.view(-1, …)` with which it keeps the batch."""
    failure = situation.failure
    sizes = {size for pair in situation.mismatch.pairs for size in pair}
    for call in failure.trace.calls:
        if call.type not in ("view", "reshape") or not call.inputs or not call.outputs:
            continue
        before, after = call.inputs[0].shape[:1], call.outputs[0].shape[:1]
        if not before or not after or before == after or not {*before, *after} <= sizes:
            continue
        for literal, origin in literals_among(failure.arguments.get(call.index, ())):
            size = evaluated(origin, {}) * after[0] / before[0]
            value = solved(origin, literal, int(size)) if size.is_integer() else None
            if value is not None and value > 0:
                features = Features(prior=Prior.ROWS_OF_VIEW)
                yield Proposal(change_of((literal,), value), features)


def _sizes_for(function: str, mismatch: Mismatch) -> Iterator[int]:
    if function in ("view", "reshape", "unflatten", "expand", "split"):
        for expected, actual in mismatch.pairs:
            yield actual
            yield expected


def local_literals(situation: Situation) -> Iterator[Proposal]:
    """Numbers in scope where the code raised: those of a constructor, or of an assertion."""
    failure = situation.failure
    if failure.calls and not failure.in_model:
        return
    numbers = numbers_of(failure)
    numbers += [size for call in failure.calls[-1:] for x in call.inputs for size in x.shape]
    sizes = () if failure.calls else situation.sizes
    tried: set[tuple[Literal, int]] = set()
    for place, number in enumerate(numbers_in_scope(failure)):
        for literal, origin in literals_among(number):
            for target in [*_related(int(plain(number)), numbers), *sizes]:
                value = solved(origin, literal, target)
                if value is None or value < 0 or value == literal.value:
                    continue
                if (literal, value) in tried:
                    continue
                tried.add((literal, value))
                style = Style(frozenset(numbers))
                features = Features(
                    prior=Prior.LOCAL_NUMBER,
                    further_back=place,
                    change=relative_change(literal.value, value),
                    width_surprisal=layer_surprisal("", {"out_features": target}, style),
                )
                yield Proposal(change_of((literal,), value), features)


def _related(number: int, numbers: list[int]) -> list[int]:
    """The other numbers, their divisors and multiples, of which those nearest to `number`."""
    found: set[int] = set()
    for other in numbers:
        if 0 < other <= 1 << 16 and other != number:
            found.add(other)
            found |= {n for n in range(1, min(other, 4096) + 1) if other % n == 0}
            found |= {other * (number // other), other * (number // other + 1)}
    near = sorted(found - {number, 0}, key=lambda n: relative_change(number, n))
    return near[:_NEAREST]
