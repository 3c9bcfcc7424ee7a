"""Look-ups outside their table: those that PyTorch refuses for any input are refused here too."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import cnnstat


class LookUp(nn.Module):
    """`rows` of a table, read at indices that `forward` computes from the length of its input."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.table = nn.Embedding(rows, 4)
        self.register_buffer("ids", torch.arange(100).expand(1, -1))

    def forward(self, x):
        return self.table(self.indices(x.size(1), x.device))


class Positions(LookUp):
    def indices(self, length, device):
        return torch.arange(length, device=device).unsqueeze(0).repeat(2, 1)


class OfABuffer(LookUp):
    def indices(self, length, device):
        return self.ids[:, :length]


class Differences(LookUp):
    """From 1 - length to length - 1, shifted."""

    def indices(self, length, device):
        places = torch.arange(length)
        return places[None] - places[:, None] + length - 1


class Written(LookUp):
    """The values are written through views: they are not in the record, and nothing is refused."""

    def indices(self, length, device):
        found = torch.full((2, length), -1, device=device)
        found[:, : length // 2] = 0
        found[:, length // 2 :] = 1
        return found


class Negative(LookUp):
    def indices(self, length, device):
        return torch.arange(length) - 1


class Random(LookUp):
    def indices(self, length, device):
        return torch.randint(0, length, (8, 64), device=device)


class Selected(LookUp):
    def forward(self, x):
        return torch.index_select(self.table.weight, 0, torch.arange(x.size(1)))


# (class, rows that suffice for a length of 20)
ENOUGH = [(Positions, 20), (OfABuffer, 20), (Differences, 39), (Written, 2), (Random, 20),
          (Selected, 20)]  # fmt: skip


@pytest.mark.parametrize(("cls", "rows"), ENOUGH)
def test_a_table_that_suffices(cls, rows):
    x = torch.zeros(1, 20, 3)
    with torch.no_grad():
        expected = tuple(cls(rows)(x).shape)
    assert cnnstat.analyze(cls(rows), "1,20,3").layers[0].outputs == (expected,)


@pytest.mark.parametrize(("cls", "rows"), [case for case in ENOUGH if case[0] is not Written])
def test_a_table_of_one_row_less(cls, rows):
    with pytest.raises(IndexError):
        cls(rows - 1)(torch.zeros(1, 20, 3))
    with pytest.raises(cnnstat.ShapeError, match=f"largest index is {rows - 1}, the table has"):
        cnnstat.analyze(cls(rows - 1), "1,20,3")


def test_a_negative_index():
    with pytest.raises(IndexError):
        Negative(50)(torch.zeros(1, 20, 3))
    with pytest.raises(cnnstat.ShapeError, match="an index is -1"):
        cnnstat.analyze(Negative(50), "1,20,3")


def test_integers_that_the_user_passes():
    net = nn.Embedding(50, 4)
    assert cnnstat.analyze(net, torch.tensor([[3, 49]])).layers[0].outputs == ((1, 2, 4),)
    with pytest.raises(cnnstat.ShapeError) as caught:
        cnnstat.analyze(net, torch.tensor([[3, 70]]))
    assert "index is 70" in str(caught.value)


def test_the_table_and_the_input_are_suggested():
    (fault,) = _diagnosis(OfABuffer(16), "1,20,3").errors
    assert (fault.got, fault.expected) == ("1×20", "16 rows")
    assert fault.fixes[0].edit == "net.table = nn.Embedding(20, 4)"
    assert "--input 1,16,3" in {fix.edit for fix in fault.fixes}


def _diagnosis(net, *inputs):
    with pytest.raises(cnnstat.ShapeError) as caught:
        cnnstat.analyze(net, *inputs)
    assert caught.value.diagnosis is not None
    return caught.value.diagnosis
