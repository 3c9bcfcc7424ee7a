"""Which input pixels an element of each tensor depends on, followed through every branch.

For one spatial axis of the input, position p of a feature map sees the input pixels
[low + p·jump, high + p·jump]: the receptive field is high - low + 1, the effective stride is
jump. A convolution with kernel k, stride s, padding q, dilation d turns (low, high, jump) into

    low' = low - q·jump    high' = high + ((k - 1)·d - q)·jump    jump' = s·jump

(the recurrence of Araujo et al., "Computing Receptive Fields of Convolutional Neural Networks",
Distill 2019, with both ends kept so that branches join exactly: the union of their intervals).

Each dimension of a tensor is a product of factors, one for each axis of the input or channel
dimension that a view has merged into it, so tokens made of pixels are followed too. The statistics
of normalisations are not followed: a norm is taken as the affine map it is at inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from ...operators.describe import dims_of, window_of
from ...operators.reach import NOT_SPATIAL, Field, Reach, lost, met, not_followed
from ...operators.registry import Trait, traits_of, view_of
from ...trace.records import Op, TensorSpec, Trace


def fields_of(trace: Trace) -> dict[int, Field]:
    """The field of each value of the run, by its number."""
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
    """How many dimensions the first window slides over; None where no window slides."""
    for op in trace.ops:
        window = window_of([op])
        if window is not None and op.call >= 0:
            return dims_of(trace.calls[op.call]) or len(window.kernel)
    return None


def field_of_input(tensor: TensorSpec, spatial: int | None) -> Field:
    """(batch, channels, positions …), or (channels, positions …) without a batch."""
    rank = len(tensor.shape)
    first = rank - spatial if spatial is not None else 2
    if "float" not in tensor.dtype or not 0 < first < rank:
        return lost(NOT_SPATIAL)
    dims = tuple(((n, d - first if d >= first else None),) for d, n in enumerate(tensor.shape))
    start = Reach(Fraction(0), Fraction(0), Fraction(1))
    return Field(dims, dict.fromkeys(range(rank - first), start))


def field_after(op: Op, fields: Mapping[int, Field], out: TensorSpec) -> Field:
    first = next(fields[t.value] for t in op.inputs if t.value in fields)
    if first.reason is not None:
        return lost(first.reason)
    view = view_of(op)
    if view is not None:
        field = view.field(first, out, fields)
    elif traits_of(op.name) & _AT_ITS_POSITION:
        field = met(op.inputs, out, fields)
    else:
        field = None
    if field is None or (field.reason is None and len(field.dims) != len(out.shape)):
        return lost(not_followed(op))
    return field


_AT_ITS_POSITION = Trait.ELEMENTWISE | Trait.NORM  # a norm is taken as an affine map
