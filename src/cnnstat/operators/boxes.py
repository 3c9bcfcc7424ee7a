"""Pooling over boxes of a map, as in detection heads: torchvision's operators.

A box is divided into the cells of the output. The size of a cell, and with it the number of
elements that a maximum or a mean reads, depends on the coordinates of the box. Only `roi_align`
with a `sampling_ratio` reads a fixed number of samples.
"""

from __future__ import annotations

from ..trace.records import Op, TensorSpec
from .costs import Cost, per_element
from .registry import Trait, rule

_BY_SIZE = "the size of each box decides how many elements it reads"
_NEIGHBOURS = 4  # a sample between pixels is interpolated from four

# The arguments: (x, boxes, scale, height, width[, ratio[, aligned]]).


@rule("torchvision.roi_align", "torchvision.ps_roi_align", traits=Trait.SEARCHES)
def aligned_pool(op: Op) -> Cost:
    return _samples(op.outputs[0], op.arg(5, "sampling_ratio", -1))


@rule("torchvision.roi_pool", "torchvision.ps_roi_pool", traits=Trait.SEARCHES)
def cell_pool(op: Op) -> Cost:
    return Cost(left_out=_BY_SIZE)


# The gradients have (dy, boxes, …, scale, height, width, …).


@rule("torchvision._roi_align_backward", traits=Trait.BACKWARD | Trait.SEARCHES)
def aligned_pool_backward(op: Op) -> Cost:
    return _samples(op.args[0], op.arg(9, "sampling_ratio", -1))


@rule("torchvision._ps_roi_align_backward", traits=Trait.BACKWARD | Trait.SEARCHES)
def sensitive_aligned_pool_backward(op: Op) -> Cost:
    return _samples(op.args[0], op.arg(6, "sampling_ratio", -1))


@rule("torchvision._roi_pool_backward", traits=Trait.BACKWARD)
def maximum_backward(op: Op) -> Cost:
    return per_element(op.args[0])  # added to the gradient of the maximum


@rule("torchvision._ps_roi_pool_backward", traits=Trait.BACKWARD | Trait.SEARCHES)
def mean_backward(op: Op) -> Cost:
    return Cost(left_out=_BY_SIZE)


def _samples(out: TensorSpec, ratio: int) -> Cost:
    """A cell is the mean of ratio² samples; without a ratio their number depends on its size."""
    return per_element(out, _NEIGHBOURS * ratio**2) if ratio > 0 else Cost(left_out=_BY_SIZE)
