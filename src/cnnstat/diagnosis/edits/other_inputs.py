"""Another input: its dtype, its axes, its sides, or the number of inputs."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from math import log2, prod

from ...inputs import InputSpec
from ...operators.convolution import CONVOLUTIONS, Convolution
from ...trace.records import About, Failure
from ..changes import Change, Proposal, Situation
from ..literals import plain
from ..replay import fits
from ..uses import numbers_of
from ..weights import Features, Prior

_FIRST_OPS = 6  # a failure within them may be about the axes of the input
_LARGEST = 4  # times the largest side of the input, at most
_UNTIL = 640  # pixels, if that is more
_USUAL_SIDES = {28, 32, 64, 96, 128, 224, 256, 384}
_BLIND_TRIALS = 12

Shape = tuple[int, ...]


def other_inputs(situation: Situation) -> Iterator[Proposal]:
    """Other shapes and dtypes for one positional input, then other numbers of inputs."""
    inputs = situation.inputs
    for place, spec in enumerate(inputs):
        for changed, features in _changed(situation, place, spec):
            several = (*inputs[:place], changed, *inputs[place + 1 :])
            yield Proposal(Change(inputs=several), features)
    if inputs and About.NUMBER_OF_INPUTS in situation.failure.about:
        for more in range(1, 4):
            yield _counted((*inputs, *inputs[-1:] * more), more)
        for fewer in range(1, len(inputs)):
            yield _counted(inputs[:-fewer], fewer)


def _counted(inputs: tuple[InputSpec, ...], difference: int) -> Proposal:
    features = Features(prior=Prior.NUMBER_OF_INPUTS, added_inputs=difference)
    return Proposal(Change(inputs=inputs), features)


def _changed(
    situation: Situation, place: int, spec: InputSpec
) -> Iterator[tuple[InputSpec, Features]]:
    failure = situation.failure
    for dtype, features in _dtypes(failure, spec):
        yield replace(spec, dtype=dtype), features
    if len(failure.trace.inputs) <= place:
        return
    # The positions of a table follow from the shape of the input alone.
    for shape in _lengths(situation, spec.shape):
        yield replace(spec, shape=shape), Features(prior=Prior.INPUT_LENGTH)
    value = failure.trace.inputs[place].tensor.value
    if not _reaches(failure, value):
        return
    for shape, prior in _axes(situation, spec.shape):
        is_argument = prior is Prior.INPUT_SIZE and _is_argument(situation, spec.shape[1])
        yield replace(spec, shape=shape), Features(prior=prior, input_is_argument=is_argument)
    for shape, features in _sides(situation, value, spec.shape):
        yield replace(spec, shape=shape), features


_SIZES_OF_INPUTS = {
    "in_channels", "channels", "in_chans", "input_channels", "n_channels", "num_channels", "colors",
    "in_features", "input_size", "input_dim", "in_dim", "inputs", "features", "in_ch",
}  # fmt: skip


def _is_argument(situation: Situation, size: int) -> bool:
    """Whether the model takes the size of its input as an argument, and has got this one."""
    outermost = {scopes[-1].frame: scopes[-1] for scopes in situation.scopes.values() if scopes}
    return any(
        plain(value) == size and name in _SIZES_OF_INPUTS
        for scope in outermost.values() for name, value in scope.numbers.items()
    )  # fmt: skip


def _lengths(situation: Situation, shape: Shape) -> Iterator[Shape]:
    """Sequences as long as a table of positions."""
    if situation.mismatch.kind in ("indices", "broadcast"):
        for one, other in situation.mismatch.pairs:
            for axis in range(1, len(shape)) if len(shape) < 4 else ():
                for rows, length in ((one, other), (other, one)):
                    if shape[axis] == length and 0 < rows < length:
                        yield (*shape[:axis], rows, *shape[axis + 1 :])


def _reaches(failure: Failure, value: int) -> bool:
    """Whether the failure may have to do with this input."""
    return not failure.trace.ops or any(
        value == tensor.value for op in failure.trace.ops for tensor in op.inputs
    )


def _dtypes(failure: Failure, spec: InputSpec) -> Iterator[tuple[str, Features]]:
    if About.DTYPES not in failure.about:
        return
    indices = any(call.module and call.module.base.startswith("Embedding")
                  for call in failure.calls)  # fmt: skip
    for dtype in ("int64", "float32", "float16", "bfloat16", "float64"):
        if dtype == spec.dtype:
            continue
        if indices and dtype == "int64":
            yield dtype, Features(prior=Prior.INDICES)
        else:
            yield dtype, Features(prior=Prior.DTYPE, is_half_precision="16" in dtype)


def _axes(situation: Situation, shape: Shape) -> Iterator[tuple[Shape, Prior]]:
    """Shapes with an axis added or moved, or with another number of channels."""
    failure, mismatch = situation.failure, situation.mismatch
    if mismatch.kind == "indices":
        return
    if About.ONE_VALUE in failure.about:
        yield (2, *shape[1:]), Prior.SECOND_EXAMPLE
    if situation.is_data:
        yield from _of_batches(failure, shape)
    elif _is_unbatched(failure, shape):
        yield (1, *shape), Prior.UNBATCHED
    if len(failure.trace.ops) > _FIRST_OPS and mismatch.kind not in ("dims", "other"):
        return  # the layers before it accepted the axes
    for image in _images(failure, shape):
        yield image, Prior.BATCH_AND_CHANNEL_AXES
    if len(shape) < 5:
        yield (1, *shape), Prior.BATCH_AXIS
    if len(shape) in (2, 3):
        yield (shape[0], 1, *shape[1:]), Prior.CHANNEL_AXIS
        yield (1, 1, *shape), Prior.BATCH_AND_CHANNEL_AXES
    if len(shape) >= 3:
        is_last = mismatch.kind == "channels" and mismatch.expected == shape[-1]
        prior = Prior.CHANNELS_LAST if is_last else Prior.MOVED_AXIS
        yield (shape[0], shape[-1], *shape[1:-1]), prior
        if len(shape) == 5 and mismatch.kind == "channels" and mismatch.expected == shape[2]:
            # frames before channels
            yield (shape[0], shape[2], shape[1], *shape[3:]), Prior.CHANNELS_LAST
        if mismatch.expected and mismatch.expected != shape[1] and mismatch.kind == "channels":
            yield (shape[0], mismatch.expected, *shape[2:]), Prior.INPUT_SIZE
    if len(shape) > 2:
        yield (shape[0], prod(shape[1:])), Prior.FLATTENED_INPUT
    if len(shape) in (2, 3) and mismatch.expected:
        yield (*shape[:-1], mismatch.expected), Prior.INPUT_SIZE


_CONVOLUTION = re.compile(r"(?:Lazy)?Conv([123])d")


def _images(failure: Failure, shape: Shape) -> Iterator[Shape]:
    """An example with the sides of `shape` and the channels of the convolution that failed.

    One number is every side.
    """
    module = failure.calls[-1].module if failure.calls else None
    found = _CONVOLUTION.fullmatch(module.base) if module is not None else None
    if module is None or found is None:
        return
    sides, channels = int(found[1]), module.settings.get("in_channels")
    if len(shape) in (1, sides) and isinstance(channels, int) and channels > 0:
        yield (1, channels, *(shape if len(shape) == sides else shape * sides))


def _of_batches(failure: Failure, shape: Shape) -> Iterator[tuple[Shape, Prior]]:
    """Batches of data, whose first axis are the examples, with the channels of a convolution."""
    module = failure.calls[-1].module if failure.calls else None
    channels = module.settings.get("in_channels") if module is not None else None
    if isinstance(channels, int) and len(shape) == 3:
        yield (shape[0], channels, *shape[1:]), Prior.UNBATCHED
    if isinstance(channels, int) and len(shape) == 4 and 1 in (channels, shape[1]):
        yield (shape[0], channels, *shape[2:]), Prior.CHANNEL_AXIS
    if (channels, *shape[1:2]) == (3, 4):
        yield (shape[0], 3, *shape[2:]), Prior.CHANNEL_AXIS


def _is_unbatched(failure: Failure, shape: Shape) -> bool:
    """Whether the first convolution took the input for a single map without a batch axis."""
    first = next((op for op in failure.trace.ops if op.name in CONVOLUTIONS), None)
    return first is not None and len(Convolution.of(first).weight.shape) == len(shape) + 1


def _sides(situation: Situation, value: int, shape: Shape) -> Iterator[tuple[Shape, Features]]:
    """The nearest sides, below and above, with which the run gets past the failure."""
    if len(shape) < 3:
        return
    failure = situation.failure
    if failure.in_model:
        for sides, octaves in _unchecked_sides(failure, shape):
            yield sides, Features(prior=Prior.INPUT_SIDES, change=octaves)
    lead, sides = shape[:2], shape[2:]
    longest = max(sides)
    limit = max(_LARGEST * longest, _UNTIL)

    def scaled(side: int) -> Shape:
        return (*lead, *(max(1, round(s * side / longest)) for s in sides))

    def fit(side: int) -> bool | None:
        return fits(failure, {}, {value: scaled(side)})

    if fit(longest + 1) is None:
        return
    if situation.mismatch.kind == "window":
        # A larger map never fits a window less: the smallest that does is found by bisection.
        found = [bisect_left(range(limit), True, lo=1, key=lambda side: fit(side) is True)]
    else:
        found = [
            next((side for side in sides if fit(side)), limit)
            for sides in _outwards(longest, limit)
        ]
    for side in found:
        if side < limit:
            features = Features(
                prior=Prior.INPUT_SIDES,
                joins_branches=situation.mismatch.kind in ("join", "broadcast"),
                change=abs(log2(side / longest)),
            )
            yield scaled(side), features


def usual_inputs(situation: Situation) -> Iterator[Change]:
    """Images of usual sides for a window that is larger than its map, the smallest first."""
    inputs = situation.inputs
    if situation.mismatch.kind != "window" or not inputs or len(inputs[0].shape) != 4:
        return
    first = inputs[0]
    for side in sorted(_USUAL_SIDES):
        if side > max(first.shape[2:]):
            shape = (*first.shape[:2], side, side)
            yield Change(inputs=(replace(first, shape=shape), *inputs[1:]))


_MOST_STEPS = 2_000  # a side beyond is typed by mistake: usual ones are tried, too


def _outwards(middle: int, limit: int) -> Iterator[list[int]]:
    """Sides below and above, in steps that grow with the distance: behind strided layers,
    ranges of sizes give the same result.
    """
    below = [middle - step for step in (*range(1, 17), *range(20, middle, max(4, middle // 500)))]
    yield below if middle <= _MOST_STEPS else [*below, *range(512, 0, -4)]
    steps = [*range(1, 17), *range(20, 65, 4), *range(80, limit, max(16, limit // 500))]
    yield [middle + step for step in steps if middle + step <= limit]


def _unchecked_sides(failure: Failure, shape: Shape) -> Iterator[tuple[Shape, float]]:
    """For a model that rejects its input itself: multiples of numbers in scope, usual sides.

    Each with its distance in octaves.
    """
    longest = max(shape[2:])
    numbers = numbers_of(failure)
    near = {size for n in numbers if 1 < n <= longest for size in
            (longest // n * n, (longest // n + 1) * n)}  # fmt: skip
    near |= {n for n in numbers if n > 8} | _USUAL_SIDES
    ordered = sorted(near - {longest, 0}, key=lambda side: abs(log2(side / longest)))
    for side in ordered[:_BLIND_TRIALS]:
        sides = (max(1, round(s * side / longest)) for s in shape[2:])
        yield (*shape[:2], *sides), abs(log2(side / longest))
