"""A convolution whose weight has lost its dimensions, as in a damaged file."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import cnnstat


@pytest.mark.parametrize("shape", [(4,), ()])
def test_a_weight_without_channels_is_the_models_fault(shape: tuple[int, ...]) -> None:
    net = nn.Conv2d(3, 4, 3)
    net.weight = nn.Parameter(torch.zeros(shape))
    with pytest.raises(cnnstat.ModelError, match=r"don't fit|fails"):
        cnnstat.analyze(net, (1, 3, 8, 8))
