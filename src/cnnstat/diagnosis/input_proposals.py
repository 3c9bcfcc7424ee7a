"""Inputs that a failing model may have been meant for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import log2

from ..inputs import InputSpec
from ..operators.convolution import CONVOLUTIONS, Convolution
from ..trace.records import About, Failure
from .changes import Change, Proposal
from .mismatch import mismatch_of
from .resizing import fits
from .uses import numbers_of

_AXES = 1.0  # an axis is missing, or stands elsewhere
_CHANNELS = 1.5
_SIDES = 2.0
_JOINED = 1.5  # more for sides where branches are joined: those follow from the layers
_FIRST_OPS = 6
_LARGEST = 4  # times the side that was given, at most
_UNTIL = 640  # pixels, if that is more


def input_proposals(failure: Failure, inputs: Sequence[InputSpec]) -> list[Proposal]:
    """Other shapes and dtypes for the positional inputs, the least cost first."""
    found: list[Proposal] = []
    for place, spec in enumerate(inputs):
        for changed, cost in _changed(failure, place, spec):
            several = (*inputs[:place], changed, *inputs[place + 1 :])
            found.append(Proposal(Change(inputs=several), cost))
    if About.NUMBER_OF_INPUTS in failure.about:
        for more in range(1, 4):
            again = tuple(inputs[-1:]) * more
            found.append(Proposal(Change(inputs=(*inputs, *again)), 0.5 + more))
        for less in range(1, len(inputs)):
            found.append(Proposal(Change(inputs=tuple(inputs[:-less])), 0.5 + less))
    return sorted(found, key=lambda proposal: proposal.cost)


def _changed(failure: Failure, place: int, spec: InputSpec) -> Iterator[tuple[InputSpec, float]]:
    yield from ((replace(spec, dtype=dtype), cost) for dtype, cost in _dtypes(failure, spec))
    if len(failure.trace.inputs) <= place:
        return
    value = failure.trace.inputs[place].tensor.value
    if not _reaches(failure, value):
        return
    yield from ((replace(spec, shape=shape), cost) for shape, cost in _axes(failure, spec.shape))
    yield from ((replace(spec, shape=s), cost) for s, cost in _sides(failure, value, spec.shape))


def _reaches(failure: Failure, value: int) -> bool:
    """Whether the failure may have to do with this input."""
    return not failure.trace.ops or any(
        value == tensor.value for op in failure.trace.ops for tensor in op.inputs
    )


def _dtypes(failure: Failure, spec: InputSpec) -> Iterator[tuple[str, float]]:
    if About.DTYPES not in failure.about:
        return
    indices = any(call.module and call.module.base.startswith("Embedding")
                  for call in failure.calls)  # fmt: skip
    for dtype in ("int64", "float32", "float16", "bfloat16", "float64"):
        if dtype != spec.dtype:
            yield dtype, 0.2 if indices and dtype == "int64" else 0.6 + ("16" in dtype)


def _axes(failure: Failure, shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], float]]:
    """A batch or channel axis is missing; channels stand last; channels of another number."""
    mismatch = mismatch_of(failure)
    if About.ONE_VALUE in failure.about:
        yield (2, *shape[1:]), 0.4
    if _taken_as_one(failure, shape):
        yield (1, *shape), 0.0
    if len(failure.trace.ops) > _FIRST_OPS and mismatch.kind not in ("dims", "other"):
        return  # what the layers before it took is no other kind of input
    if len(shape) < 5:
        yield (1, *shape), _AXES
    if len(shape) in (2, 3):
        yield (shape[0], 1, *shape[1:]), _AXES + 0.1
        yield (1, 1, *shape), _AXES + 0.3
    if len(shape) >= 3:
        turned = mismatch.kind == "channels" and mismatch.expected == shape[-1]
        yield (shape[0], shape[-1], *shape[1:-1]), -0.5 if turned else _AXES + 0.2
        if mismatch.expected and mismatch.expected != shape[1] and mismatch.kind == "channels":
            yield (shape[0], mismatch.expected, *shape[2:]), _CHANNELS
    if len(shape) > 2:
        product = 1
        for size in shape[1:]:
            product *= size
        yield (shape[0], product), _AXES + 1.0
    if len(shape) == 2 and mismatch.expected:
        yield (shape[0], mismatch.expected), _CHANNELS
    if len(shape) == 3 and mismatch.expected:
        yield (*shape[:-1], mismatch.expected), _CHANNELS


def _taken_as_one(failure: Failure, shape: tuple[int, ...]) -> bool:
    """Whether the first convolution took the input for a single map without a batch axis."""
    first = next((op for op in failure.trace.ops if op.name in CONVOLUTIONS), None)
    return first is not None and len(Convolution.of(first).weight.shape) == len(shape) + 1


def _sides(
    failure: Failure, value: int, shape: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], float]]:
    """The nearest side lengths, below and above, with which the run gets past the failure."""
    if len(shape) < 3:
        return
    kind = mismatch_of(failure).kind
    base = _SIDES + _JOINED * (kind in ("join", "broadcast"))
    if failure.in_model:
        yield from _blind_sides(failure, shape)
    lead, sides = shape[:2], shape[2:]
    longest = max(sides)
    limit = max(_LARGEST * longest, _UNTIL)

    def scaled(side: int) -> tuple[int, ...]:
        return (*lead, *(max(1, round(s * side / longest)) for s in sides))

    def fit(side: int) -> bool | None:
        return fits(failure, {}, {value: scaled(side)})

    if fit(longest + 1) is None:
        return
    if kind == "window":  # what is large enough stays so
        found = [bisect_left(range(limit), True, lo=1, key=lambda side: fit(side) is True)]
    else:
        found = [
            next((side for side in sides if fit(side)), limit)
            for sides in _outwards(longest, limit)
        ]
    for side in found:
        if side < limit:
            yield scaled(side), base + abs(log2(side / longest))


def _outwards(middle: int, limit: int) -> Iterator[list[int]]:
    """Sides below and above, in steps that grow with the distance: the sizes behind strided layers
    hold for whole ranges.
    """
    yield [middle - step for step in (*range(1, 17), *range(20, middle, 4))]
    steps = [*range(1, 17), *range(20, 65, 4), *range(80, limit, 16)]
    yield [middle + step for step in steps if middle + step <= limit]


def _blind_sides(
    failure: Failure, shape: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], float]]:
    """Of a model that refuses its input itself: multiples of numbers it knows, usual sides."""
    longest = max(shape[2:])
    numbers = numbers_of(failure)
    near = {size for n in numbers if 1 < n <= longest for size in
            (longest // n * n, (longest // n + 1) * n)}  # fmt: skip
    near |= {n for n in numbers if n > 8} | {28, 32, 64, 96, 128, 224, 256, 384}
    ordered = sorted(near - {longest, 0}, key=lambda side: abs(log2(side / longest)))
    for side in ordered[:12]:
        sides = (max(1, round(s * side / longest)) for s in shape[2:])
        yield (*shape[:2], *sides), _SIDES + abs(log2(side / longest))
