"""The input pixels that the elements of a tensor depend on, followed through every branch.

For one spatial axis of the input, position p of a feature map sees the input pixels
[low + p·jump, high + p·jump]: the receptive field is high - low + 1, the effective stride is
jump. A convolution with kernel k, stride s, padding q, dilation d turns (low, high, jump) into

    low' = low - q·jump    high' = high + ((k - 1)·d - q)·jump    jump' = s·jump

(the recurrence of Araujo et al., "Computing Receptive Fields of Convolutional Neural Networks",
Distill 2019, with both ends kept so that branches join exactly: the union of their intervals).

Each dimension of a tensor is a product of factors, one for each axis of the input or channel
dimension that a view has merged into it, so tokens made of pixels are followed too. The statistics
of normalisations are not followed: a norm is treated as the affine map that it is at inference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import prod

from msgspec import structs

from ..operators.describe import dims_of, window_of
from ..operators.reach import NOT_SPATIAL, Field, Reach, joint_field, not_followed, unknown_field
from ..operators.registry import Trait, traits_of, view_of
from ..trace.records import Op, TensorSpec, Trace
from .results import Analysis, Layer, NoField


def fields_of(trace: Trace) -> dict[int, Field]:
    """The receptive field of each value of the run, by its number."""
    fields: dict[int, Field] = {}
    dims = spatial_dims(trace)
    for item in trace.inputs:
        fields[item.tensor.value] = field_of_input(item.tensor, dims)
    for op in trace.ops:
        known = [fields[t.value] for t in op.inputs if t.value in fields]
        if not known:
            continue
        for tensor in op.outputs:
            fields[tensor.value] = field_after(op, fields, tensor)
    return fields


def spatial_dims(trace: Trace) -> int | None:
    """The number of dimensions that the first window slides over; None without windows."""
    for op in trace.ops:
        window = window_of([op])
        if window is not None and op.call >= 0:
            return dims_of(trace.calls[op.call]) or len(window.kernel)
    return None


def field_of_input(tensor: TensorSpec, spatial: int | None) -> Field:
    """The field of an input: (batch, channels, positions …), or without a batch dimension."""
    rank = len(tensor.shape)
    first = rank - spatial if spatial is not None else 2
    if "float" not in tensor.dtype or not 0 < first < rank:
        return unknown_field(NOT_SPATIAL)
    dims = tuple(((n, d - first if d >= first else None),) for d, n in enumerate(tensor.shape))
    start = Reach(Fraction(0), Fraction(0), Fraction(1))
    return Field(dims, dict.fromkeys(range(rank - first), start))


def field_after(op: Op, fields: Mapping[int, Field], out: TensorSpec) -> Field:
    first = next(fields[t.value] for t in op.inputs if t.value in fields)
    if first.reason is not None:
        return unknown_field(first.reason)
    view = view_of(op)
    if view is not None:
        field = view.field(first, out, fields)
    elif traits_of(op.name) & _AT_ITS_POSITION:
        field = joint_field(op.inputs, out, fields)
    else:
        field = None
    if field is None or (field.reason is None and len(field.dims) != len(out.shape)):
        return unknown_field(not_followed(op))
    return field


_AT_ITS_POSITION = Trait.ELEMENTWISE | Trait.NORM  # a norm is treated as an affine map


def last_map(layers: Sequence[Layer]) -> Layer | None:
    """The last row whose output is a feature map, not yet flattened or pooled to one position."""
    for layer in reversed(layers):
        if not layer.outputs or len(layer.outputs[0]) < 3:
            continue
        pooled_away = prod(layer.outputs[0][2:]) == 1 and layer.no_field is NoField.ENTIRE_INPUT
        if not pooled_away and layer.no_field is not NoField.NOT_SPATIAL:
            return layer
    return None


def with_object_size(analysis: Analysis, side: int) -> Analysis:
    """The analysis with notes on whether its receptive field covers an object of `side` pixels."""
    return structs.replace(analysis, notes=(*analysis.notes, *_object_notes(analysis, side)))


def _object_notes(analysis: Analysis, side: int) -> Iterator[str]:
    """Sentences on the receptive field of the last feature map."""
    last = last_map(analysis.layers)
    if last is None or not last.receptive_field:
        return
    size, shape = min(last.receptive_field), analysis.inputs[0].shape
    place = last.path or last.type
    if size < side:
        yield (
            f"one position behind {place} sees {size:g} pixels, "
            f"the object has {side}: no position sees it whole"
        )
    if len(shape) > 2 and max(last.receptive_field) > max(shape[2:]):
        yield (
            f"one position behind {place} sees {max(last.receptive_field):g} pixels, "
            f"the input has {max(shape[2:])}: the rest is padding"
        )
