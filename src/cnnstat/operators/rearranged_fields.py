"""Receptive fields of operators that move positions and have no view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from ..trace.records import Op, TensorSpec
from .field_algebra import features, grouped, merged, repeated, resized, stepped, with_positions
from .field_rules import along_features
from .reach import Factor, Field, distance
from .registry import follow
from .shape_rules import per_axis

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


@follow("aten.im2col")
def patches(op: Op, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
    """[N,C,H,W] → [N, C·kh·kw, windows]"""
    kernel, dilation, padding, stride = (per_axis(value, 2) for value in op.args[1:5])
    if len(x.dims) != 4:
        return None
    taps: list[Factor] = []
    places: list[Factor] = []
    windows = out.shape[2]
    sizes = []
    for number, dim in enumerate((2, 3)):
        found = with_positions(x, dim)
        if found is None:
            return None
        x, axis = found
        if axis is None:
            return None
        ((size, _, jump),) = x.dims[dim]
        k, d, p, s = (value[number] for value in (kernel, dilation, padding, stride))
        count = (size + 2 * p - d * (k - 1) - 1) // s + 1
        reach = x.reaches[axis].moved(-p * jump)
        x = Field(x.dims, {**x.reaches, axis: replace(reach, stride=distance(s * jump))})
        taps.append(Factor(k, axis, d * jump))
        places.append(Factor(count, axis, s * jump))
        sizes.append(count)
    if prod(sizes) != windows:
        return None
    return Field((x.dims[0], merged((*x.dims[1], *taps)), merged(places)), x.reaches)


@follow("aten.col2im")
def joined_patches(op: Op, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
    """[N, C·kh·kw, windows] → [N,C,H,W], where the windows neither overlap nor leave gaps."""
    kernel, dilation, padding, stride = (per_axis(value, 2) for value in op.args[2:6])
    if kernel != stride or padding != (0, 0) or dilation != (1, 1) or len(x.dims) != 3:
        return None
    (kh, kw), (n, channels, h, w) = kernel, out.shape
    if h % kh or w % kw:
        return None
    parts = grouped(x, (n, channels, kh, kw, h // kh, w // kw))
    if parts is None:
        return None
    batch, depth, r1, r2, rows, columns = parts.dims
    return Field((batch, depth, merged((*rows, *r1)), merged((*columns, *r2))), parts.reaches)


@follow("aten.pixel_shuffle")
def depth_to_space(op: Op, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
    """[*, C·r·r, H, W] → [*, C, H·r, W·r]"""
    r = op.args[1]
    *batch, _, h, w = (prod(factor.size for factor in dim) for dim in x.dims)
    parts = grouped(x, (*batch, out.shape[-3], r, r, h, w))
    if parts is None:
        return None
    *outer, channels, r1, r2, rows, columns = parts.dims
    field = Field((*outer, channels, rows, columns), parts.reaches)
    if r1 == r2 == features(r):  # each position several times
        return repeated(repeated(field, len(outer) + 1, r), len(outer) + 2, r)
    dims = (*outer, channels, merged((*rows, *r1)), merged((*columns, *r2)))
    return Field(dims, parts.reaches)


@follow("aten.pixel_unshuffle")
def space_to_depth(op: Op, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
    """[*, C, H·r, W·r] → [*, C·r·r, H, W]"""
    r = op.args[1]
    *batch, channels, _, _ = (prod(factor.size for factor in dim) for dim in x.dims)
    h, w = out.shape[-2:]
    parts = grouped(x, (*batch, channels, h, r, w, r))
    if parts is None:
        return None
    *outer, depth, rows, r1, columns, r2 = parts.dims
    return Field((*outer, merged((*depth, *r1, *r2)), rows, columns), parts.reaches)


@follow("aten.channel_shuffle", "aten.native_channel_shuffle")
def shuffled(op: Op, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
    return along_features(x, out, 1)


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
