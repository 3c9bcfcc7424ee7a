"""What a fix does to the network, as the run with it shows.

Edits that all make a model run differ in what it computes then: a linear layer may run over the
columns of a map, rows of several examples may be one, the batch may be a number of the source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from operator import mul
from typing import Any

from ..inputs import InputSpec
from ..operators.convolution import Convolution
from ..operators.describe import dims_of
from ..operators.joins import Cat
from ..operators.pooling import AdaptivePool, Pool
from ..operators.registry import Trait, traits_of, view_of
from ..operators.resizing import Interpolation
from ..operators.shuffles import PixelShuffle, PixelUnshuffle
from ..operators.views import Permute, Squeeze, Transpose, Unsqueeze
from ..results import Shape
from ..trace.records import Call, Failure, Module, Op, TensorSpec, Trace
from .changes import Change
from .weights import Effects

_OF_FEATURES = {"Linear", "LayerNorm", "RMSNorm", "LSTM", "GRU", "RNN", "MultiheadAttention"}
_OF_CHANNELS = ("Conv", "BatchNorm", "InstanceNorm", "GroupNorm")
_KEEPING = Trait.ELEMENTWISE | Trait.NORM
_OF_MAPS = (Convolution, Pool, AdaptivePool, Interpolation, PixelShuffle, PixelUnshuffle)
_LEAST, _IMAGE = 3, 4  # axes of a map


def effects_of(
    change: Change, run: Trace, failure: Failure, inputs: Sequence[Any],
    runs_on: Callable[[tuple[Any, ...]], bool],
) -> Effects:  # fmt: skip
    """Of a change with which `run` ended well and without which `failure` happened.

    `inputs` are the positional ones of the run; `runs_on` is whether it runs on others.
    """
    shapes = [value.shape for value in inputs if isinstance(value, InputSpec)]
    batches = {shape[0] for shape in shapes if shape}
    return Effects(
        over_the_sides=uses_sides(run, failure),
        channels_as_examples=_channels_are_examples(run, failure),
        classifies_positions=_classifies_positions(run, failure),
        mixes_the_batch=bool(shapes) and _mixes_the_batch(run, shapes),
        fixes_the_batch=len(shapes) == len(inputs) and bool(_numbers_of(change) & batches)
        and not runs_on(tuple(replace(x, shape=(2 * x.shape[0], *x.shape[1:])) for x in inputs)),
    )  # fmt: skip


def _numbers_of(change: Change) -> set[int]:
    """The numbers that are written newly."""
    found = {int(n) for r in change.replacements for n in re.findall(r"\b\d+\b", r.text)}
    return found | {value for value in change.arguments.values() if isinstance(value, int)}


# The batch


def _mixes_the_batch(run: Trace, inputs: Sequence[Shape]) -> bool:
    """Whether no output has the batch as an axis or as a part of its first one.

    The batch may be the second axis of sequences; N·T rows are one for each token.
    """
    rows = {size for shape in inputs for size in (*shape[:2], *accumulate(shape[:2], mul))}
    batches = {shape[0] for shape in inputs if shape}
    outputs = [out.shape for out in run.calls[0].outputs if out.shape] if run.calls else []
    return bool(outputs) and not any(
        shape[0] in rows or batches & set(shape) for shape in outputs
    )  # fmt: skip


def _channels_are_examples(run: Trace, failure: Failure) -> bool:
    """Whether a linear layer gets the channels of a map without a batch axis as rows."""
    channels = {
        call.outputs[0].shape[0] for call in run.calls
        if call.type.lower().startswith("conv") and call.inputs and call.outputs
        and len(call.inputs[0].shape) == (dims_of(call) or 0) + 1
    }  # fmt: skip
    return any(
        call.module is not None and call.module.base == "Linear"
        and len(call.inputs[0].shape) == 2 and call.inputs[0].shape[0] in channels
        for call, _ in _new_calls(run, failure)
    )  # fmt: skip


# Features


def uses_sides(run: Trace, failure: Failure) -> bool:
    """Whether a layer that failed before, or was not reached, takes the sides of a map for its
    features or channels. The run may have failed.
    """
    return _runs_over_sides(run, failure) or _uses_sides_as_channels(run, failure)


def _runs_over_sides(run: Trace, failure: Failure) -> bool:
    """Whether a layer of features gets a map, whose last axis is a side."""
    return any(
        is_map(call.inputs[0], run, until) for call, until in _new_calls(run, failure)
        if call.module is not None and _is_of_features(call.module)
    )  # fmt: skip


def _uses_sides_as_channels(run: Trace, failure: Failure) -> bool:
    """Whether the axes of a map are moved before a layer that takes the channels second, where
    they were.
    """
    for call, until in _new_calls(run, failure):
        if call.module is None or not call.module.base.startswith(_OF_CHANNELS):
            continue
        value = call.inputs[0].value
        number = next((n for n in reversed(range(until))
                       if any(out.value == value for out in run.ops[n].outputs)), None)  # fmt: skip
        op = None if number is None else run.ops[number]
        if op is None or number is None or not isinstance(view_of(op), Permute | Transpose):
            continue
        source = op.inputs[0]
        moves = source.shape[1:2] != op.outputs[0].shape[1:2]
        is_input = any(x.tensor.value == source.value for x in run.inputs)
        if moves and not is_input and is_map(source, run, number):
            return True
    return False


def _new_calls(run: Trace, failure: Failure) -> Iterator[tuple[Call, int]]:
    """The calls that succeed now, with the numbers of their first operators."""
    reached = {call.path for call in failure.trace.calls if call.outputs}
    first_ops: dict[int, int] = {}
    for number, op in enumerate(run.ops):
        first_ops.setdefault(op.call, number)
    for call in run.calls:
        if call.inputs and call.outputs and call.path not in reached:
            yield call, first_ops.get(call.index, len(run.ops))


def _classifies_positions(run: Trace, failure: Failure) -> bool:
    """Whether the output has the sides of a map on which a linear layer failed."""
    call = failure.calls[-1] if failure.calls else None
    if call is None or call.module is None or call.module.base != "Linear" or not call.inputs:
        return False
    is_image = len(call.inputs[0].shape) >= _IMAGE
    return is_image and any(len(out.shape) >= _IMAGE for out in run.calls[0].outputs)


def _is_of_features(module: Module) -> bool:
    if module.base not in _OF_FEATURES:
        return False
    shape = module.settings.get("normalized_shape", ())
    return not isinstance(shape, tuple) or len(shape) < 2  # (channels, *sides) are of a map


def _is_of_any_layout(shape: Shape) -> bool:
    return True


def is_map(
    spec: TensorSpec, run: Trace, until: int,
    is_image: Callable[[Shape], bool] = _is_of_any_layout,
) -> bool:  # fmt: skip
    """Whether the last axis of a tensor is a side, as behind a convolution.

    `until` is the number of the first operator that reads the tensor; `is_image` is whether an
    input of four axes is one with its channels first.
    """
    axes = len(spec.shape)
    if axes < _LEAST:
        return False
    for op in reversed(run.ops[:until]):
        if all(out.value != spec.value for out in op.outputs):
            continue
        view = view_of(op)
        if isinstance(view, _OF_MAPS):
            return True
        if isinstance(view, Squeeze | Unsqueeze) and len(view.x.shape) >= _LEAST:
            spec = view.x  # a pooling along one axis runs as one along two
            continue
        source = next(
            (x for x in op.inputs if x.parameter is None and len(x.shape) == len(spec.shape)), None
        )
        keeps = bool(traits_of(op.name) & _KEEPING) or isinstance(view, Cat) or _pools(op)
        if source is None or not keeps:
            return False
        spec = source
    is_input = any(x.tensor.value == spec.value for x in run.inputs)
    return axes >= _IMAGE and is_input and is_image(spec.shape)


def _pools(op: Op) -> bool:
    """Global pooling is a mean that keeps its axes."""
    return op.name == "aten.mean"
