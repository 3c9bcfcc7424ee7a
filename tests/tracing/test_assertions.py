"""Assertions of a model on values: they hold in a working model, so it needs no data for them."""

from __future__ import annotations

from pathlib import Path

import pytest

import cnnstat

# In a file of its own: pytest rewrites the assertions of this one.
MODELS = """
import torch
from torch import nn


class Checked(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        self.check(x)
        return self.linear(x)


class Bounds(Checked):
    def check(self, x):
        assert x.min() >= -99 and x.max() <= 99, f"{x}"
        assert not torch.isnan(x).any()


class Calls(Checked):
    def check(self, x):
        assert torch.allclose(x, x) and torch.equal(x, x)
        assert bool((x == x).all())
        assert all((row < 99).all() for row in x)


class Number(Checked):
    def check(self, x):
        assert x.sum().item() != 3.0


class Branch(Checked):
    def check(self, x):
        if x.sum() > 1e9:
            raise ValueError("too large")


class Constant(Checked):
    def check(self, x):
        assert (torch.arange(3) < 2).all()


class Chosen(Checked):
    def forward(self, x):
        if torch.allclose(x, x.round()):
            x = self.linear(x)
        return self.linear(x)
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "checks.py").write_text(MODELS)
    return f"{tmp_path}/checks.py"


@pytest.mark.parametrize("name", ["Bounds", "Calls"])
def test_an_assertion_needs_no_data(name: str, file: str) -> None:
    analysis = cnnstat.analyze(f"{file}:{name}", (2, 4))
    assert (analysis.lane, analysis.totals.macs, analysis.totals.exact) == ("meta", 32, True)


@pytest.mark.parametrize("name", ["Number", "Branch"])
def test_other_values_need_data(name: str, file: str) -> None:
    analysis = cnnstat.analyze(f"{file}:{name}", (2, 4))
    assert (analysis.lane, analysis.totals.macs) == ("cpu", 32)


def test_an_assertion_on_constants_is_evaluated(file: str) -> None:
    with pytest.raises(cnnstat.ModelError, match=r"arange\(3\) < 2"):
        cnnstat.analyze(f"{file}:Constant", (2, 4))


def test_a_branch_on_allclose_is_a_value_that_is_read(file: str) -> None:
    analysis = cnnstat.analyze(f"{file}:Chosen", (2, 4))
    assert not analysis.totals.exact
    assert "MACs, other operations, activation memory and layers depend on a value" in str(analysis)
