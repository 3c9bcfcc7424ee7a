"""Pixels shuffled, patches and gates: the shapes of a run, and those with other settings."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnstat.inputs import InputSpec
from cnnstat.operators.registry import recorded, view_of
from cnnstat.operators.shape_rules import Misfit
from cnnstat.run_config import RunConfig
from cnnstat.tracing.run.trace import trace

# (the layer, its input, the layer with other settings)
CASES = [
    (nn.PixelShuffle(2), (1, 36, 4, 6), nn.PixelShuffle(3)),
    (nn.PixelUnshuffle(2), (1, 3, 12, 6), nn.PixelUnshuffle(3)),
    (nn.ChannelShuffle(2), (1, 12, 4, 4), nn.ChannelShuffle(3)),
    (nn.Unfold(3), (2, 3, 9, 7), nn.Unfold((2, 3), stride=2, padding=1)),
    (nn.Fold((8, 8), 2, stride=2), (1, 12, 16), nn.Fold((5, 5), 2)),
    (nn.GLU(1), (2, 8, 4), nn.GLU(2)),
    (nn.Upsample(scale_factor=2), (1, 3, 4, 5), nn.Upsample(scale_factor=3)),
    (nn.ZeroPad2d(1), (1, 3, 4, 5), nn.ZeroPad2d((0, 1, 2, 3))),
]


def shapes_of(layer, shape):
    return [tuple(layer(torch.zeros(shape)).shape)]


@pytest.mark.parametrize(("layer", "shape", "other"), CASES, ids=[repr(c[2]) for c in CASES])
def test_shapes_are_those_of_torch_also_with_other_settings(layer, shape, other):
    inputs = (InputSpec(shape, "float32"),)
    (op,) = trace(layer.to("meta"), inputs, {}, RunConfig()).ops
    changed = view_of(op).changed({name: getattr(other, name) for name in vars(other)})
    assert changed.shapes(recorded) == shapes_of(other, shape)
    if not isinstance(layer, nn.ZeroPad2d):  # its amounts may depend on sizes
        assert view_of(op).shapes(recorded) == shapes_of(layer, shape)


def test_a_factor_that_does_not_divide_is_refused():
    inputs = (InputSpec((1, 36, 4, 4), "float32"),)
    (op,) = trace(nn.PixelShuffle(2).to("meta"), inputs, {}, RunConfig()).ops
    with pytest.raises(Misfit):
        view_of(op).changed({"upscale_factor": 5}).shapes(recorded)
