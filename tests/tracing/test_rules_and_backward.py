"""Rules of the user and the backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

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
        with pytest.raises(cnnstat.ModelError, match=r"Doubled .* has no backward pass") as caught:
            train(net, (2, 8))
        assert "backward_macs=" in str(caught.value)


def test_a_rule_for_costs_alone_has_that_of_its_forward(net: nn.Module) -> None:
    cnnstat.register_module(Doubled, macs=128)
    totals = cnnstat.analyze(net, (2, 8), training=True).totals
    assert totals.backward_macs == 3 * 2 * 64  # no gradient of the input
    assert cnnstat.memory(net, (2, 8)).peak_bytes > 0


def backward_macs(net: nn.Module) -> dict[str, int | None]:
    return {
        row.path: row.backward_macs for row in cnnstat.analyze(net, (2, 8), training=True).layers
    }


@pytest.mark.parametrize("shape", [None, lambda module, x: x.shape], ids=["run", "not run"])
def test_a_rule_for_the_backward_pass(net: nn.Module, shape: Any) -> None:
    cnnstat.register_module(
        Doubled, macs=128, other_ops=7, shape=shape,
        backward_macs=lambda layer, x: 10 * x.numel() * layer.in_features,
    )  # fmt: skip
    totals = cnnstat.analyze(net, (2, 8), training=True).totals
    own = 10 * 16 * 8
    assert backward_macs(net) == {"": 0, "0": 128, "1": own}  # the first has none of its input
    assert totals.backward_macs == 128 + own
    assert totals.backward_other_ops == 16 + 7  # that of a bias, that of the rule
    assert totals.backward_uncounted == {}


def test_memory_of_a_module_that_is_not_run_is_that_of_its_like(net: nn.Module) -> None:
    """One that keeps its input and its parameters, as a linear layer does."""

    class Unrun(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise ImportError("a CUDA extension")

    cnnstat.register_module(Unrun, macs=128, backward_macs=256, shape=lambda layer, x: x.shape)
    layers = [nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)]
    plain = cnnstat.memory(nn.Sequential(*layers), (64, 8))
    found = cnnstat.memory(nn.Sequential(layers[0], Unrun(8, 8), layers[2]), (64, 8))
    assert found.peak_bytes == plain.peak_bytes


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_rule_inside_a_checkpoint(net: nn.Module, reentrant: bool) -> None:
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(8, 8), Doubled(8, 8)

        def forward(self, x: torch.Tensor) -> Any:
            return checkpoint(self.second, self.first(x), use_reentrant=reentrant)

    cnnstat.register_module(Doubled, macs=100, backward_macs=1000)
    # torch ends the other kind before the product, whose result no gradient needs
    again = 100 if reentrant else 0
    assert backward_macs(Checkpointed()) == {"": 0, "first": 128, "second": 1000 + again}


def test_a_module_that_needs_no_gradient_has_no_backward_pass(net: nn.Module) -> None:
    cnnstat.register_module(Doubled, macs=128, backward_macs=1000)
    frozen = nn.Sequential(Doubled(8, 8).requires_grad_(False), nn.Linear(8, 8))
    assert backward_macs(frozen) == {"": 0, "0": 0, "1": 128}


def test_a_module_called_twice_has_two_backward_passes(net: nn.Module) -> None:
    layer = Doubled(8, 8)
    cnnstat.register_module(Doubled, macs=128, backward_macs=1000)
    twice = nn.Sequential(nn.Linear(8, 8), layer, layer)
    assert cnnstat.analyze(twice, (2, 8), training=True).totals.backward_macs == 128 + 2 * 1000


@pytest.mark.parametrize("wrong", [-1, 1.5, "two"])
def test_what_is_no_number_of_backward_macs(net: nn.Module, wrong: Any) -> None:
    with pytest.raises(cnnstat.UsageError, match=r"backward_macs is "):
        cnnstat.register_module(Doubled, macs=1, backward_macs=wrong)


def test_a_function_for_the_backward_pass_that_fails(net: nn.Module) -> None:
    cnnstat.register_module(Doubled, macs=1, backward_macs=lambda layer, x: x.numel() / 3)
    with pytest.raises(cnnstat.ModelError, match=r"the rule for Doubled .* no number of operat"):
        cnnstat.analyze(net, (2, 8), training=True)
