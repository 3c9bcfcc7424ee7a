"""The input pixels that the elements of a tensor depend on, followed through every branch.

Along a spatial axis of the input, position p of a feature map sees the pixels
[low + p·jump, high + p·jump]: the receptive field is high - low + 1, the effective stride is
jump. A convolution with kernel k, stride s, padding q, dilation d turns (low, high, jump) into

    low' = low - q·jump    high' = high + ((k - 1)·d - q)·jump    jump' = s·jump

(the recurrence of Araujo et al., "Computing Receptive Fields of Convolutional Neural Networks",
Distill 2019, with both ends kept so that branches join exactly: the union of their intervals).
`operators/reach.py` has the values, `operators/field_algebra.py` what can be done with them, and
the operators their own rules.

The spatial axes of an input are those that its first convolution or pool slides over: of an input
with the channels last they are not the last ones. A norm that computes its statistics at inference
sees all that they are of; one with running statistics is an affine map, in training too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from math import prod

from msgspec import structs

from ..operators.describe import dims_of, window_of
from ..operators.field_algebra import features, union
from ..operators.field_rules import joint_field
from ..operators.reach import (
    DIFFERENT_SIZES,
    ENTIRE_FIELD,
    NOT_SPATIAL_FIELD,
    SEVERAL_MAPS,
    Factor,
    Field,
    Reach,
    not_followed,
    unknown_field,
)
from ..operators.registry import Trait, field_of, is_in_place, traits_of, view_of
from ..operators.shape_rules import Misfit
from ..trace.records import Op, TensorSpec, Trace
from .results import Analysis, Layer, NoField


def fields_of(trace: Trace) -> dict[int, Field]:
    """The receptive field of each value of the run, by its number."""
    fields = input_fields(trace)
    views: dict[int, Op] = {}
    for op in trace.ops:
        follow_op(op, fields, views)
    return fields


def input_fields(trace: Trace) -> dict[int, Field]:
    """The fields of the inputs, by number."""
    return {
        item.tensor.value: field_of_input(item.tensor, spatial_axes(trace, item.tensor))
        for item in trace.inputs
    }


def follow_op(op: Op, fields: dict[int, Field], views: dict[int, Op]) -> None:
    """Add the fields of the outputs. `views`: the operator behind each value that is a view."""
    traits = traits_of(op.name)
    if Trait.CREATES in traits and not {Trait.ELEMENTWISE, Trait.OVERWRITES} <= set(traits):
        for tensor in op.outputs:
            fields.pop(tensor.value, None)
        return
    if not any(t.value in fields for t in op.inputs):
        if Trait.LAYOUT in traits:
            views.update((tensor.value, op) for tensor in op.outputs)
        return
    for tensor in op.outputs:
        before = fields.get(tensor.value)
        fields[tensor.value] = field_after(op, fields, tensor)
        if is_in_place(op.name) and fields[tensor.value] != before:
            _write_back(op, tensor, fields, views)
        elif Trait.LAYOUT in traits:
            views[tensor.value] = op


def _write_back(op: Op, part: TensorSpec, fields: dict[int, Field], views: dict[int, Op]) -> None:
    """A part of a tensor was written in place: the tensors around it contain it."""
    visited: set[int] = set()  # a tensor that is resized in place is a view of itself
    while part.value in views and part.value not in visited:
        visited.add(part.value)
        outer = views[part.value]
        written, field = outer.inputs[0], fields[part.value]
        before = fields.get(written.value)
        view = view_of(outer)
        after = None
        if field.reason is None and view is not None and (before is None or before.reason is None):
            after = view.field_around(field, before)
        fields[written.value] = after or unknown_field(field.reason or not_followed(op))
        part = written


def spatial_axes(trace: Trace, tensor: TensorSpec) -> tuple[int, ...]:
    """The axes that the first window behind an input slides over; without one, the third and on."""
    rank = len(tensor.shape)
    if "float" not in tensor.dtype or 0 in tensor.shape:
        return ()
    start = _field_along(tensor, range(rank))
    fields = {tensor.value: start}
    views: dict[int, Op] = {}
    for op in trace.ops:
        if not any(t.value in fields for t in op.inputs):
            continue
        window = window_of([op]) if op.call >= 0 else None
        field = fields.get(op.inputs[0].value)
        if window is not None and field is not None and field.reason is None:
            dims = dims_of(trace.calls[op.call]) or len(window.kernel)
            last = tuple(range(len(field.dims) - dims, len(field.dims)))
            if field.dims == start.dims:
                return last if last[0] > 0 else ()
            found = field.axes_along(last)
            if found:
                return tuple(sorted(found))
        follow_op(op, fields, views)
    return tuple(range(2, rank))


def field_of_input(tensor: TensorSpec, axes: Sequence[int]) -> Field:
    """The field of an input whose positions are along these axes."""
    if "float" not in tensor.dtype or not axes or 0 in tensor.shape:
        return NOT_SPATIAL_FIELD
    return _field_along(tensor, axes)


def _field_along(tensor: TensorSpec, axes: Sequence[int]) -> Field:
    numbers = {axis: number for number, axis in enumerate(axes)}
    dims = tuple(
        (Factor(n, numbers[d], 1),) if d in numbers else (Factor(n),)
        for d, n in enumerate(tensor.shape)
    )
    reaches = {numbers[axis]: Reach(0, 0, tensor.shape[axis]) for axis in axes}
    return Field(dims, reaches)


def field_after(op: Op, fields: Mapping[int, Field], out: TensorSpec) -> Field:
    known = {t.value: fields[t.value] for t in op.inputs if t.value in fields}
    if all(field is NOT_SPATIAL_FIELD for field in known.values()):
        return NOT_SPATIAL_FIELD
    known = {value: field for value, field in known.items() if field is not NOT_SPATIAL_FIELD}
    if any(field is ENTIRE_FIELD for field in known.values()):
        return ENTIRE_FIELD
    for field in known.values():
        if field.reason is not None and not field.is_in_a_row:
            return field
    if 0 in out.shape or any(0 in tensor.shape for tensor in op.inputs):
        return unknown_field(not_followed(op))
    if any(field.reason is not None for field in known.values()):
        known = {value: replace(field, reason=None) for value, field in known.items()}
    try:
        result = _followed(op, known, out)
    except Misfit:  # in a file, whose shapes nobody has run
        result = None
    if result is None or (result.reason is None and len(result.dims) != len(out.shape)):
        return unknown_field(not_followed(op))
    if result.reason is None and _may_miss_largest(known.values(), result):
        return unknown_field(DIFFERENT_SIZES)
    return replace(result, reason=SEVERAL_MAPS) if result.is_in_a_row else result


def _may_miss_largest(operands: Iterable[Field], result: Field) -> bool:
    """Whether positions were cut off, or combined, of which only the largest interval is known."""
    for x in operands:
        for axis, reach in x.reaches.items():
            after = result.reaches[axis]
            same = (reach.low, reach.high) == (after.low, after.high)
            same = same and x.positions(axis) == result.positions(axis)
            if after.pattern is not None:
                continue
            if reach.irregular and not after.entire and not same:
                return True
    return False


def _followed(op: Op, fields: Mapping[int, Field], out: TensorSpec) -> Field | None:
    view, traits = view_of(op), traits_of(op.name)
    first = next(iter(fields.values()))
    if not any(field.dims for field in fields.values()):  # numbers, without any dimension
        joined = reduce(union, fields.values())
        dims = tuple(features(size) for size in out.shape)
        return joined if joined.reason is not None else Field(dims, joined.reaches)
    if Trait.NORM in traits and len(out.shape) != len(first.dims):
        return None  # statistics
    if view is not None:
        return view.field(first, out, fields)
    if not traits & _AT_ITS_POSITION:
        return field_of(op, first, out, fields)
    written = Trait.OVERWRITES in traits and len(op.inputs) > 1
    return joint_field(op.inputs[1:] if written else op.inputs, out, fields)


_AT_ITS_POSITION = Trait.ELEMENTWISE | Trait.NORM


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
