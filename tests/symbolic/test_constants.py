"""Constants with data beside symbolic sizes: repeated, expanded, tiled to the size of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import cnnstat

EYE = torch.from_numpy(np.eye(3, dtype=np.float32)).view(1, 9)

WAYS = {
    "repeat": lambda n: EYE.repeat(n, 1),
    "expand": lambda n: EYE.expand(n, 9),
    "tile": lambda n: EYE.tile((n, 1)),
    "repeat_interleave": lambda n: EYE.repeat_interleave(n, dim=0),
    "new_zeros": lambda n: EYE.new_zeros(n, 9),
    "broadcast_to": lambda n: torch.broadcast_to(EYE, (n, 9)),
}


@pytest.mark.parametrize("way", WAYS)
def test_letters_go_through_constants(way: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(9, 9)

        def forward(self, x: Tensor) -> Any:
            return self.linear(x) + WAYS[way](x.size(0))

    found = cnnstat.formulas(Net(), "N,9")
    assert str(found.totals.macs) == "81*N", found.notes
