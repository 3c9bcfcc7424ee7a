"""Pooling over boxes: what is fixed is counted, what the coordinates decide is named."""

from __future__ import annotations

import pytest
import torch

import cnnstat
from cnnstat.models.torchvision_import import torchvision
from cnnstat.operators.costs import Cost
from cnnstat.operators.registry import cost_of
from cnnstat.trace.records import Op, TensorSpec
from tests.networks import Function

torchvision()  # its operators
from torchvision import ops  # noqa: E402

MAP, BOXES = torch.zeros(1, 18, 32, 32), torch.zeros(4, 5)

# 4 boxes of 3×3 cells; `ps_` operators share the channels among the 9 cells
POOLS = {
    # a cell is the mean of 2×2 samples, of four neighbours each
    "align": (lambda x, b: ops.roi_align(x, b, 3, 0.5, 2), 18, 4 * 2 * 2),
    "align by position": (lambda x, b: ops.ps_roi_align(x, b, 3, 0.5, 2), 2, 4 * 2 * 2),
    # the size of a cell decides how much it reads
    "align, adaptive": (lambda x, b: ops.roi_align(x, b, 3, 0.5), 18, None),
    "align by position, adaptive": (lambda x, b: ops.ps_roi_align(x, b, 3), 2, None),
    "maximum": (lambda x, b: ops.roi_pool(x, b, 3, 0.5), 18, None),
    "mean by position": (lambda x, b: ops.ps_roi_pool(x, b, 3, 0.5), 2, None),
}


@pytest.mark.parametrize("name", POOLS)
def test_pooling_over_boxes(name):
    function, channels, each = POOLS[name]
    analysis = cnnstat.analyze(Function(function), MAP, BOXES)
    assert analysis.layers[0].outputs == ((4, channels, 3, 3),)
    totals = analysis.totals
    assert (totals.uncounted, totals.macs) == ({}, 0)
    assert totals.other_ops == 4 * channels * 3 * 3 * (each or 0)
    left_out = [note for note in analysis.notes if "do not include torchvision." in note]
    assert len(left_out) == (each is None)
    assert all(
        note.endswith("the size of each box decides how many elements it reads")
        for note in left_out
    )


# A torch without torchvision's compiled operators has no gradients of them: records by hand.
DY, SIZES = TensorSpec(0, (4, 18, 3, 3), "float32", 4), (1, 18, 32, 32)
GRADIENTS = {
    "_roi_align_backward": ((DY, BOXES, 0.5, 3, 3, *SIZES, 2, False), 4 * 2 * 2),
    "_ps_roi_align_backward": ((DY, BOXES, BOXES, 0.5, 3, 3, 2, *SIZES), 4 * 2 * 2),
    "_roi_pool_backward": ((DY, BOXES, BOXES, 0.5, 3, 3, *SIZES), 1),  # to the place of the maximum
    "_ps_roi_pool_backward": ((DY, BOXES, BOXES, 0.5, 3, 3, *SIZES), None),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_of_pooling_over_boxes(name):
    args, each = GRADIENTS[name]
    cost = cost_of(Op(f"torchvision.{name}", "default", args, {}, (DY,), 0, 0))
    assert cost is not None
    assert cost == Cost(0, DY.numel * (each or 0))
    assert bool(cost.left_out) == (each is None)
