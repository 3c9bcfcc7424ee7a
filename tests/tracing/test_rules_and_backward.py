"""Rules of the user and the backward pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.tracing.user_code import user_rules


class Doubled(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x)


@pytest.fixture
def net() -> Iterator[nn.Module]:
    before = dict(user_rules._modules)
    yield nn.Sequential(nn.Linear(8, 8), Doubled(8, 8))
    user_rules._modules.clear()
    user_rules._modules.update(before)


def test_a_rule_for_shapes_has_no_backward_pass(net: nn.Module) -> None:
    cnnstat.register_module(Doubled, macs=128, shape=lambda module, x: x.shape)
    assert cnnstat.analyze(net, (2, 8)).totals.macs == 2 * 64 + 128
    for train in (cnnstat.memory, lambda *args: cnnstat.analyze(*args, training=True)):
        with pytest.raises(cnnstat.ModelError, match=r"Doubled .* has no backward pass"):
            train(net, (2, 8))


def test_a_rule_for_costs_alone_has_that_of_its_forward(net: nn.Module) -> None:
    cnnstat.register_module(Doubled, macs=128)
    totals = cnnstat.analyze(net, (2, 8), training=True).totals
    assert totals.backward_macs == 3 * 2 * 64  # no gradient of the input
    assert cnnstat.memory(net, (2, 8)).peak_bytes > 0
