"""Masks and indices that are constants: sizes that a run without data knows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import cnnstat

ROWS, FEATURES = 4, 8


class Masked(nn.Module):
    def __init__(self, select: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.select = select
        self.layer = nn.Linear(FEATURES, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.select(x))


def written(x: Tensor) -> Tensor:
    mask = torch.zeros(ROWS, dtype=torch.bool)
    mask[:2] = True
    return x[mask]


KNOWN: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {  # with the number of rows
    "a list": (lambda x: x[torch.tensor([True, False, True, False])], 2),
    "a comparison": (lambda x: x[torch.arange(ROWS) < 3], 3),
    "written": (written, 2),
    "of two axes": (lambda x: x[torch.ones(ROWS, FEATURES).tril().bool()][:FEATURES][None], 1),
    "of another axis": (lambda x: x.T[torch.arange(FEATURES) < 3].T.sum(1)[:, None] + x, 4),
    "a split": (lambda x: x.tensor_split(torch.tensor([1]))[1], 3),
    "a number of parts": (lambda x: torch.tensor_split(x, torch.tensor(2))[0], 2),
}


@pytest.mark.parametrize("lane", ["meta", "cpu"])
@pytest.mark.parametrize("name", KNOWN)
def test_constants_are_exact(name: str, lane: str) -> None:
    select, rows = KNOWN[name]
    found = cnnstat.analyze(Masked(select), (ROWS, FEATURES), lane=lane)
    assert found.totals.exact
    assert found.totals.macs == rows * FEATURES * FEATURES
    assert (
        found.totals.macs
        == cnnstat.analyze(
            nn.Linear(FEATURES, FEATURES), tuple(Masked(select)(torch.rand(ROWS, FEATURES)).shape)
        ).totals.macs
    )


def test_random_masks_are_values_that_are_read() -> None:
    net = Masked(lambda x: x[torch.rand(ROWS) > 0.5])
    found = cnnstat.analyze(net, (ROWS, FEATURES))
    assert not found.totals.exact
    assert "random" in found.totals.value_reads[0].origin


def test_masks_of_data_are_an_upper_bound() -> None:
    found = cnnstat.analyze(Masked(lambda x: x[x[:, 0] > 0]), (ROWS, FEATURES))
    assert (found.totals.exact, found.totals.macs) == (False, ROWS * FEATURES * FEATURES)


@pytest.mark.parametrize("lane", [None, "cpu"])
def test_a_split_at_values_depends_on_them(lane: str | None) -> None:
    net = Masked(lambda x: x.tensor_split((x[:, 0] > 0).sum()[None])[0])
    found = cnnstat.analyze(net, (ROWS, FEATURES), lane=lane)
    assert not found.totals.exact
    (read,) = found.totals.value_reads
    assert (read.function, read.origin) == ("tensor_split", "the input")
    assert "MACs" in (read.effects or ())
