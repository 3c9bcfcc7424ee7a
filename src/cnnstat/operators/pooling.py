"""Pooling and resizing: one operation per element read."""

from __future__ import annotations

from math import prod

from ..trace.records import Op
from .registry import Cost, rule


@rule(
    "aten.max_pool2d_with_indices", "aten.max_pool3d_with_indices", "aten.max_pool2d",
    "aten.max_pool1d", "aten.avg_pool1d", "aten.avg_pool2d", "aten.avg_pool3d",
    "aten.mkldnn_max_pool2d",
)  # fmt: skip
def pool(op: Op) -> Cost:
    # each output reads its window: a kernel given as one number holds for all spatial dimensions
    out, kernel = op.outputs[0], op.args[1]
    dims = int(op.name.split("pool")[1][0])
    sizes = kernel if isinstance(kernel, tuple) else (kernel,)
    window = prod(sizes) if len(sizes) == dims else sizes[0] ** dims
    return Cost(0, out.numel * window)


@rule(
    "aten._adaptive_avg_pool2d", "aten._adaptive_avg_pool3d", "aten.adaptive_avg_pool2d",
    "aten.adaptive_max_pool2d", "aten.adaptive_max_pool3d", "aten.adaptive_avg_pool1d",
)  # fmt: skip
def adaptive_pool(op: Op) -> Cost:
    # windows differ by one in size where the sizes do not divide: ⌈in/out⌉ is the largest
    x, out = op.args[0], op.outputs[0]
    dims = len(op.args[1]) if isinstance(op.args[1], tuple) else 2
    pairs = zip(x.shape[-dims:], out.shape[-dims:], strict=True)
    return Cost(0, out.numel * prod(-(-n // m) if m != 0 else 0 for n, m in pairs))


@rule("aten.upsample_bilinear2d", "aten._upsample_bilinear2d_aa")  # four neighbours
def bilinear(op: Op) -> Cost:
    return Cost(0, 4 * op.outputs[0].numel)


@rule("aten.upsample_linear1d")  # two neighbours
def linear1d(op: Op) -> Cost:
    return Cost(0, 2 * op.outputs[0].numel)


@rule("aten.upsample_trilinear3d")  # eight neighbours
def trilinear3d(op: Op) -> Cost:
    return Cost(0, 8 * op.outputs[0].numel)


@rule("aten.upsample_bicubic2d", "aten._upsample_bicubic2d_aa")  # sixteen neighbours
def bicubic(op: Op) -> Cost:
    return Cost(0, 16 * op.outputs[0].numel)


@rule("aten.grid_sampler_2d", "aten.grid_sampler_3d")
def grid_sampler(op: Op) -> Cost:
    return Cost(0, 4 * op.outputs[0].numel)


@rule("torchvision.roi_align")  # each output is the mean of ratio² samples, four neighbours each
def roi_align(op: Op) -> Cost | None:
    ratio = op.args[5]
    # without a ratio the number of samples depends on the size of each box
    return Cost(0, 4 * ratio**2 * op.outputs[0].numel) if ratio > 0 else None


@rule("aten.col2im")  # patches summed where they overlap: an addition for each element read
def col2im(op: Op) -> Cost:
    return Cost(0, op.args[0].numel)
