"""Interpolation and sampling: one operation per element read."""

from __future__ import annotations

from ..trace.records import Op
from .registry import Cost, rule


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
