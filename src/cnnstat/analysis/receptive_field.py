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
from dataclasses import replace
from fractions import Fraction
from functools import cache
from math import lcm
from typing import Any

from ..costs.elementwise import ELEMENTWISE
from ..tracing.records import Op, TensorSpec, Trace
from .describe import dims_of, pool_dims, window_of
from .reach import NOT_SPATIAL, WHOLE, Dim, Factor, Field, Reach


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
        return _lost(NOT_SPATIAL)
    dims = tuple(((n, d - first if d >= first else None),) for d, n in enumerate(tensor.shape))
    start = Reach(Fraction(0), Fraction(0), Fraction(1))
    return Field(dims, dict.fromkeys(range(rank - first), start))


def field_after(op: Op, fields: Mapping[int, Field], out: TensorSpec) -> Field:
    name = op.name.removesuffix("_") if op.name not in _HANDLERS else op.name
    first = next(fields[t.value] for t in op.inputs if t.value in fields)
    if first.reason is not None:
        return _lost(first.reason)
    if name in _HANDLERS:
        field = _HANDLERS[name](op, first, out, fields)
    elif pool_dims(name) is not None:
        field = _slide(op, first, out, fields)
    elif name in ELEMENTWISE or name in _AT_ITS_POSITION:
        field = _elementwise(op, first, out, fields)
    else:
        return _lost(_unknown(op))
    fits = field.reason is not None or len(field.dims) == len(out.shape)
    return field if fits else _lost(_unknown(op))


@cache
def _lost(reason: str) -> Field:
    return Field((), {}, reason)


def _unknown(op: Op) -> str:
    return f"not followed through {op.name.removeprefix('aten.')}"


def _slide(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """Convolution and pooling: a window slides over the last dimensions."""
    if op.name == "aten.convolution" and op.args[6]:
        return _transposed(op, x, out)
    window = window_of([op])
    if window is None or len(x.dims) < len(window.kernel):
        return _lost(_unknown(op))
    reaches = dict(x.reaches)
    offset = len(out.shape) - len(window.kernel)
    if any(x.is_mixed(dim) for dim in range(offset, len(out.shape))):
        return _lost(_unknown(op))
    for i, (k, s, p, d) in enumerate(
        zip(window.kernel, window.stride, window.padding, window.dilation, strict=True)
    ):
        axis = x.axis_of(offset + i)
        if axis is not None:
            reaches[axis] = reaches[axis].slide(k, s, p, d)
    return Field(_resized(x, out), reaches)


def _transposed(op: Op, x: Field, out: TensorSpec) -> Field:
    """Output p of a transposed convolution meets the inputs i with i·s + t·d = p + padding.

    Of the taps t those meet one output whose distance is a multiple of the stride: the widest span
    of them is ⌊(k-1)·d / lcm(s,d)⌋ · lcm(s,d) / s inputs. Where s > 1, some outputs see less.
    """
    window = window_of([op])
    assert window is not None
    reaches = dict(x.reaches)
    sizes = zip(window.kernel, window.stride, window.padding, window.dilation, strict=True)
    for i, (k, s, p, d) in enumerate(sizes):
        axis = x.axis_of(len(out.shape) - len(window.kernel) + i)
        if axis is not None:
            step = lcm(s, d)
            span = (k - 1) * d // step * step // s
            reach, last = reaches[axis], p // s
            reaches[axis] = Reach(
                reach.low + (last - span) * reach.jump,
                reach.high + last * reach.jump,
                reach.jump / s,
            )
    return Field(_resized(x, out), reaches)


def _resize(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """Interpolation reads 1, 2 or 4 neighbours and moves in smaller steps."""
    neighbours = 4 if "bicubic" in op.name else 1 if "nearest" in op.name else 2
    reaches = dict(x.reaches)
    for dim in range(2, len(out.shape)):
        axis = x.axis_of(dim)
        if axis is not None:
            before = op.inputs[0].shape[dim]
            reach = reaches[axis].slide(neighbours, 1, 0, 1)
            reaches[axis] = replace(reach, jump=reach.jump * before / out.shape[dim])
    return Field(_resized(x, out), reaches)


def _adaptive(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """An adaptive pool to 1 sees everything; to a divisor it is a plain pool."""
    dims = len(op.args[1])
    reaches = dict(x.reaches)
    for dim in range(len(out.shape) - dims, len(out.shape)):
        before, after, axis = op.inputs[0].shape[dim], out.shape[dim], x.axis_of(dim)
        if axis is None:
            continue
        if after == 1 and before > 1:
            return _lost(WHOLE)
        if not after or before % after:
            return _lost(_unknown(op))
        reaches[axis] = reaches[axis].slide(before // after, before // after, 0, 1)
    return Field(_resized(x, out), reaches)


def _pad(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """Padding in front moves position 0 to the left of the input."""
    reaches = dict(x.reaches)
    for i in range(len(op.args[1]) // 2):
        axis = x.axis_of(len(out.shape) - 1 - i)
        if axis is not None:
            reaches[axis] = reaches[axis].slide(1, 1, op.args[1][2 * i], 1)
    return Field(_resized(x, out), reaches)


def _slice(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    dim, start, step = op.arg(1, "dim", 0), op.arg(2, "start") or 0, op.arg(4, "step", 1)
    dim %= len(x.dims)
    reaches = dict(x.reaches)
    axis = x.axis_of(dim)
    if axis is not None:
        if start < 0:
            start += op.inputs[0].shape[dim]
        reaches[axis] = reaches[axis].slide(1, 1, -start, 1)
        reaches[axis] = replace(reaches[axis], jump=step * reaches[axis].jump)
    return Field(_resized(x, out), reaches)


def _split(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """Pieces along the channels see what the whole sees."""
    dim = op.arg(2, "dim", 0) % len(x.dims)
    if any(axis is not None for _, axis in x.dims[dim]):
        return _lost(_unknown(op))
    return replace(x, dims=_resized(x, out))


def _select(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """One channel, or one element of the batch, sees what all see."""
    dim = op.args[1] % len(x.dims)
    if any(axis is not None for _, axis in x.dims[dim]):
        return _lost(_unknown(op))
    return replace(x, dims=(*x.dims[:dim], *x.dims[dim + 1 :]))


def _elementwise(
    op: Op, x: Field, out: TensorSpec, fields: Mapping[int, Field], cat_dim: int | None = None
) -> Field:
    """Tensors of one shape (or broadcast to it) meet position by position."""
    reaches: dict[int, Reach] = {}
    dims: tuple[Dim, ...] | None = None
    for tensor in op.inputs:
        field = fields.get(tensor.value)
        if field is None:
            continue
        if field.reason is not None:
            return _lost(field.reason)
        if cat_dim is None and not _broadcasts(tensor.shape, out.shape):
            return _lost(_unknown(op))
        if len(tensor.shape) == len(out.shape) and dims is None:
            dims = field.dims
        for axis, reach in field.reaches.items():
            joined = reach.join(reaches[axis]) if axis in reaches else reach
            if joined is None:
                return _lost("branches of different strides meet")
            reaches[axis] = joined
    if dims is None:
        return _lost(_unknown(op))
    return Field(_resized(Field(dims, reaches), out), reaches)


def _cat(op: Op, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field:
    dim = op.arg(1, "dim", 0) % len(out.shape)
    if x.axis_of(dim) is not None:
        return _lost("positions of several maps in a row")
    return _elementwise(op, x, out, fields, cat_dim=dim)


def _softmax(op: Op, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field:
    return x if x.axis_of(op.args[1] % len(x.dims)) is None else _lost(WHOLE)


def _permute(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    return replace(x, dims=tuple(x.dims[dim] for dim in op.args[1]))


def _transpose(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    order = list(range(len(x.dims)))
    a, b = (0, 1) if op.name == "aten.t" else op.args[1:3]
    order[a], order[b] = order[b], order[a]
    return replace(x, dims=tuple(x.dims[dim] for dim in order))


def _view(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """Match the factors of the old dimensions, in order, to the new sizes."""
    factors = [factor for dim in x.dims for factor in dim if factor[0] != 1]
    dims: list[Dim] = []
    for size in out.shape:
        taken: list[Factor] = []
        while size > 1:
            if not factors:
                return _lost(_unknown(op))
            (length, axis), *factors = factors
            if size % length == 0:
                taken.append((length, axis))
                size //= length
            elif length % size == 0 and axis is None:
                taken.append((size, None))  # a channel dimension is split in two
                factors.insert(0, (length // size, None))
                size = 1
            else:
                return _lost(_unknown(op))
        dims.append(tuple(taken) or ((1, None),))
    return replace(x, dims=tuple(dims))


def _reduce(op: Op, x: Field, out: TensorSpec, _: Any) -> Field:
    """A mean or sum over positions sees all of them."""
    wanted = op.arg(1, "dim")
    listed = (
        wanted if isinstance(wanted, tuple) else range(len(x.dims)) if wanted is None else [wanted]
    )
    reduced = {dim % len(x.dims) for dim in listed}
    if any(axis is not None for dim in reduced for size, axis in x.dims[dim] if size > 1):
        return _lost(WHOLE)
    keep = len(out.shape) == len(x.dims)
    dims = tuple(
        ((1, None),) if dim in reduced else factors
        for dim, factors in enumerate(x.dims) if keep or dim not in reduced
    )  # fmt: skip
    return replace(x, dims=dims)


def _matmul(op: Op, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field:
    """A product with weights mixes the features of a row; positions among them see all others."""
    if any(axis is not None for size, axis in x.dims[-1] if size > 1):
        return _lost(WHOLE)
    activations = sum(tensor.value in fields for tensor in op.inputs)
    if activations > 1 or not any(axis is not None for dim in x.dims for _, axis in dim):
        return _lost(WHOLE)
    return replace(x, dims=(*x.dims[:-1], ((out.shape[-1], None),)))


def _resized(x: Field, out: TensorSpec) -> tuple[Dim, ...]:
    """The dimensions of `x` with the sizes of the output; a merged dimension keeps its factors."""
    return tuple(
        factors if len(factors) > 1 else ((size, factors[0][1]),)
        for factors, size in zip(x.dims, out.shape, strict=False)
    )


def _broadcasts(shape: tuple[int, ...], out: tuple[int, ...]) -> bool:
    return len(shape) <= len(out) and all(
        n in (1, m) for n, m in zip(reversed(shape), reversed(out), strict=False)
    )


# Beside the arithmetic: what leaves elements where they are, and norms, taken as affine maps.
_AT_ITS_POSITION = frozenset({
    "aten.clone", "aten._to_copy", "aten.copy", "aten.detach", "aten.alias", "aten.lift_fresh",
    "aten.addcmul", "aten.addcdiv", "aten.native_batch_norm", "aten.native_layer_norm",
    "aten.native_group_norm", "aten._native_batch_norm_legit", "aten._fused_rms_norm",
    "aten._native_batch_norm_legit_no_training", "aten.cudnn_batch_norm", "aten.contiguous",
    "aten.zeros_like", "aten.ones_like", "aten.empty_like", "aten.bernoulli", "aten.expand",
    "onnx.LRN", "onnx.LpNormalization", "onnx.QuantizeLinear", "onnx.DequantizeLinear",
})  # fmt: skip
_HANDLERS: dict[str, Any] = {
    "aten.convolution": _slide,
    "aten.cat": _cat,
    "aten.slice": _slice,
    "aten.permute": _permute,
    **dict.fromkeys(("aten.transpose", "aten.t"), _transpose),
    **dict.fromkeys(("aten.view", "aten._unsafe_view", "aten.squeeze", "aten.unsqueeze"), _view),
    **dict.fromkeys(("aten.mean", "aten.sum", "aten.amax", "aten.amin"), _reduce),
    **dict.fromkeys(
        ("aten.mm", "aten.addmm", "aten.bmm", "aten.baddbmm", "aten.matmul", "aten.linear"), _matmul
    ),
    **dict.fromkeys(("aten._adaptive_avg_pool2d", "aten._adaptive_avg_pool3d"), _adaptive),
    **dict.fromkeys(("aten.constant_pad_nd", "aten.reflection_pad2d"), _pad),
    **dict.fromkeys(("aten._softmax", "aten._safe_softmax", "aten._log_softmax"), _softmax),
    **dict.fromkeys(
        ("aten.split", "aten.split_with_sizes", "aten.unsafe_split", "aten.chunk"), _split
    ),
    "aten.select": _select,
    **dict.fromkeys(
        (
            *(f"aten.upsample_nearest{dims}d" for dims in (1, 2, 3)),
            *(f"aten._upsample_nearest_exact{dims}d" for dims in (1, 2, 3)),
            "aten.upsample_linear1d",
            "aten.upsample_bilinear2d",
            "aten.upsample_bicubic2d",
            "aten.upsample_trilinear3d",
        ),
        _resize,
    ),
}
