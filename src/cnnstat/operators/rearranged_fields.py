"""Receptive fields of operators that move positions and have no view."""

from __future__ import annotations

from collections.abc import Mapping

from ..trace.records import Op, TensorSpec
from .field_algebra import features, resized, stepped, with_positions
from .field_rules import along_features
from .reach import Factor, Field
from .registry import follow

_Fields = Mapping[int, Field]


@follow("aten.flip")
def flipped(op: Op, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
    for dim in (d % len(x.dims) for d in op.args[1]):
        found = with_positions(x, dim)
        if found is None:
            return None
        x, axis = found
        if axis is not None:
            ((size, _, jump),) = x.dims[dim]
            x = stepped(x, dim, size, x.reaches[axis].moved((size - 1) * jump), -jump)
    return x


@follow("aten.roll")
def rolled(op: Op, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
    """As away from the ends, where positions of one end follow those of the other."""
    shifts, dims = op.args[1], op.arg(2, "dims", ())
    if not dims:
        return None
    for shift, dim in zip(shifts, (d % len(x.dims) for d in dims), strict=True):
        found = with_positions(x, dim) if shift else (x, None)
        if found is None:
            return None
        x, axis = found
        if axis is not None:
            ((size, _, jump),) = x.dims[dim]
            x = stepped(x, dim, size, x.reaches[axis].moved(-shift * jump), jump)
    return x


@follow("aten.unfold")
def windows_of_an_axis(op: Op, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
    """`x.unfold(dim, size, step)`: the elements of each window become a new last dimension."""
    dim, size, step = op.args[1] % len(x.dims), op.args[2], op.args[3]
    found = with_positions(x, dim)
    if found is None:
        return None
    x, axis = found
    if axis is None:
        x = x.with_dim(dim, features(out.shape[dim]))
        return Field((*x.dims, features(size)), x.reaches)
    jump = x.dims[dim][0].jump
    x = stepped(x, dim, out.shape[dim], x.reaches[axis], step * jump)
    return Field((*x.dims, (Factor(size, axis, jump),)), x.reaches)


@follow("aten.sort", "aten.topk", "aten.argsort")
def searched(op: Op, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
    place = 2 if op.name == "aten.topk" else 1
    return along_features(x, out, op.arg(place, "dim", -1))


@follow("aten.index_select", "aten.gather")
def looked_up(op: Op, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
    index = op.args[2]
    return None if index.value in fields else along_features(x, out, op.args[1])


@follow("aten.index")
def indexed(op: Op, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
    """`x[:, index]`: one vector of channels."""
    chosen = [(dim, index) for dim, index in enumerate(op.args[1]) if index is not None]
    if len(chosen) != 1 or op.args[0].value not in fields or chosen[0][1].value in fields:
        return None
    return along_features(x, out, chosen[0][0])


@follow("aten.repeat")
def tiled(op: Op, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
    missing = len(out.shape) - len(x.dims)
    dims = (*(features(1) for _ in range(missing)), *x.dims)
    field = Field(dims, x.reaches)
    if any(field.is_along(dim) and times != 1 for dim, times in enumerate(op.args[1])):
        return None
    return Field(resized(field, out), x.reaches)


@follow("aten.view_as_real")
def real_and_imaginary(op: Op, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
    return Field((*x.dims, features(2)), x.reaches)


@follow("aten.view_as_complex")
def complex_numbers(op: Op, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
    return None if x.is_along(len(x.dims) - 1) else Field(x.dims[:-1], x.reaches)
