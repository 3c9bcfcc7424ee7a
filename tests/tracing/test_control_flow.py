"""`torch.cond`, loops and the like: what they cost, and how sure the figures are."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.map import map as map_rows
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

import cnnstat
from cnnstat.analysis.totals import bounds, footing
from cnnstat.choices import LaneName
from cnnstat.cli.main import run

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS, WIDTH = 4, 6
ONE = ROWS * WIDTH * WIDTH  # the small layer
LARGE = 2 * ROWS * WIDTH * 60


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.small = nn.Linear(WIDTH, WIDTH)
        self.large = nn.Sequential(nn.Linear(WIDTH, 60), nn.ReLU(), nn.Linear(60, WIDTH))


class Choice(Base):
    def forward(self, x: Tensor) -> Any:
        return torch.cond(x.sum() > 0, self.small, self.large, (x,))


class Alike(Base):
    """Two branches that cost the same: the figures are certain."""

    def forward(self, x: Tensor) -> Any:
        return torch.cond(x.sum() > 0, lambda x: self.small(x), lambda x: self.small(x), (x,))


class Chosen(Base):
    """A decision by a shape, which is known."""

    def forward(self, x: Tensor) -> Any:
        return torch.cond(torch.tensor(x.shape[0] > 2), self.small, self.large, (x,))


class Nested(Base):
    def forward(self, x: Tensor) -> Any:
        def inner(x: Tensor) -> Any:
            return torch.cond(x.mean() > 0, self.large, lambda x: self.small(self.small(x)), (x,))

        return torch.cond(x.sum() > 0, inner, self.small, (x,)) + self.small(x)


class Counted(Base):
    """The counter is created on the input's device, as in PyTorch's documentation."""

    def forward(self, x: Tensor) -> Any:
        i = torch.zeros((), dtype=torch.int64, device=x.device)
        _, y = while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, self.small(x)), (i, x))
        return y


class Converging(Base):
    """Ends by a value, but after five iterations at the latest."""

    def forward(self, x: Tensor) -> Any:
        i = torch.tensor(0)
        _, y = while_loop(
            lambda i, x: (i < 5) & (x.norm() > 1e-3), lambda i, x: (i + 1, self.small(x)), (i, x)
        )
        return y


class Open(Base):
    """Nothing bounds it."""

    def forward(self, x: Tensor) -> Any:
        (y,) = while_loop(lambda x: x.sum() < 3, lambda x: (self.small(x),), (x,))
        return y


class TwoLoops(Base):
    def forward(self, x: Tensor) -> Any:
        def body(i: Tensor, x: Tensor) -> Any:
            j = torch.zeros((), dtype=torch.int64)
            _, x = while_loop(lambda j, x: j < 2, lambda j, x: (j + 1, self.small(x)), (j, x))
            return i + 1, x

        _, y = while_loop(lambda i, x: i < 5, body, (torch.tensor(0), x))
        return y


class Scanned(Base):
    """A recurrent cell over the rows, each step two products of a vector."""

    def forward(self, x: Tensor) -> Any:
        start = torch.zeros(WIDTH, device=x.device)
        _, y = scan(lambda h, x: (self.small(h) + x, self.small(h)), start, x, dim=0)
        return y


class Mapped(Base):
    def forward(self, x: Tensor) -> Any:
        return map_rows(lambda row: self.small(row), x)


class Associative(Base):
    """Products of matrices along 8 steps: 4 + 2 + 1 upward and 1 + 3 downward (Blelloch)."""

    def forward(self, x: Tensor) -> Any:
        matrices = x.new_ones(8, 5, 5)
        return associative_scan(lambda a, b: a @ b, matrices, 0, combine_mode="generic")


class Compiled(Base):
    """`torch.compile` in a forward, or of a function of the module's file."""

    def forward(self, x: Tensor) -> Any:
        return torch.compile(self.large)(torch.compile(lambda x: self.small(x), fullgraph=True)(x))


CASES = [
    (Choice, LARGE, "an upper bound"),
    (Alike, ONE, "exact"),
    (Chosen, ONE, "exact"),
    (Nested, LARGE + ONE, "an upper bound"),
    (Counted, 3 * ONE, "exact"),
    (Converging, 5 * ONE, "an upper bound"),
    (Open, ONE, "a lower bound"),
    (TwoLoops, 10 * ONE, "exact"),
    (Scanned, 2 * ONE, "exact"),
    (Mapped, ONE, "exact"),
    (Associative, (4 + 2 + 1 + 1 + 3) * 5**3, "exact"),
    (Compiled, LARGE + ONE, "exact"),
]  # fmt: skip


@pytest.mark.parametrize("lane", [None, "fake", "cpu"])
@pytest.mark.parametrize(("network", "macs", "certainty"), CASES)
def test_what_runs_is_counted_on_every_lane(
    network: type[Base], macs: int, certainty: str, lane: LaneName | None
) -> None:
    found = cnnstat.analyze(network(), (ROWS, WIDTH), lane=lane)
    assert found.totals.macs == macs
    assert footing(found).startswith(certainty + ";")
    assert found.totals.exact == (certainty == "exact")
    assert found.lane == (lane or "meta")


@pytest.mark.parametrize(("network", "macs", "certainty"), CASES[:-2])
def test_an_exported_program_costs_the_same(
    network: type[Base], macs: int, certainty: str, tmp_path: Path
) -> None:
    program = torch.export.export(network().eval(), (torch.randn(ROWS, WIDTH),))
    file = str(tmp_path / "model.pt2")
    torch.export.save(program, file)
    found = cnnstat.analyze(file)
    assert found.totals.macs == macs
    assert footing(found).startswith(certainty + ";")


def test_both_branches_have_rows_and_the_other_is_named() -> None:
    found = cnnstat.analyze(Choice(), (ROWS, WIDTH))
    rows = {row.path: row for row in found.layers}
    assert rows["small"].macs == ONE  # its own figure, in no total
    assert (rows["small"].counted, rows["large.0"].counted) == (False, True)
    assert rows["cond"].total.macs == LARGE
    assert found.totals.params == rows["cond"].total.params  # both are built
    assert found.by_role["linear"].macs == LARGE
    assert bounds(found) == [
        f"cond: the branch that costs most is counted, {LARGE:,} MACs; the other has {ONE:,}"
    ]
    assert not found.notes


def test_a_loop_without_bound_is_counted_once() -> None:
    found = cnnstat.analyze(Open(), (ROWS, WIDTH))
    assert bounds(found) == [
        "while_loop is counted for 1 iteration: how often it runs depends on values"
    ]


def test_training_and_memory_follow_the_counted_branch() -> None:
    trained = cnnstat.analyze(Choice(), (ROWS, WIDTH), training=True)
    # the first layer's input needs no gradient: three products instead of four
    assert trained.totals.backward_macs == 3 * LARGE // 2
    assert cnnstat.memory(Choice(), (ROWS, WIDTH)).peak_bytes > 0
    plain = cnnstat.memory(Counted(), (ROWS, WIDTH))
    assert plain.peak_bytes > 0


def test_letters_go_through_branches() -> None:
    found = cnnstat.formulas(Choice(), f"N,{WIDTH}")
    assert str(found.totals.macs) == f"{LARGE // ROWS}*N"


def test_strict_names_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "import torch\nfrom torch import nn\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.a = nn.Linear(6, 6)\n"
        "    def forward(self, x):\n"
        "        return torch.cond(x.sum() > 0, self.a, lambda x: x.sin(), (x,))\n"
    )
    assert run(["shapes", "net.py:Net", "--input", "4,6", "--strict"]) == 3
    assert "the branch that costs most is counted" in capsys.readouterr().err
    for command in ("compare", "explain", "roofline", "verify"):
        device = ["--device", "h100"] if command == "roofline" else []
        layer = ["a"] if command == "explain" else []
        models = ["net.py:Net"] * (2 if command == "compare" else 1)
        status = run([command, *models, *layer, "--input", "4,6", *device])
        assert status == 0, command
        shown = capsys.readouterr()
        assert "branch that costs most" in shown.out + shown.err, command


class Attention(nn.Module):
    """flex_attention of 4 heads of 16 features: with a function of scores, or masked in blocks."""

    def __init__(self, mask: str = "") -> None:
        super().__init__()
        self.qkv = nn.Linear(64, 192, bias=False)
        self.mask = mask

    def forward(self, x: Tensor) -> Any:
        steps = x.shape[1]
        q, k, v = (t.view(1, steps, 4, 16).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        if not self.mask:
            return flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: s + (i - j) * 0.1)
        documents = (x[0, :, 0] > 0).long()
        masks = {
            "causal": lambda b, h, i, j: i >= j,
            "documents": lambda b, h, i, j: documents[i] == documents[j],
        }
        mask = create_block_mask(
            masks[self.mask], None, None, steps, steps, device=str(x.device), BLOCK_SIZE=32
        )
        return flex_attention(q, k, v, block_mask=mask)


@pytest.mark.parametrize(
    ("mask", "computed"),
    [("", "none"), ("causal", 4 * 5 // 2), ("documents", None)],  # 4 by 4 blocks of 32 steps
)
def test_flexible_attention_is_counted_as_full_attention(mask: str, computed: Any) -> None:
    steps = 128
    attended = 2 * 4 * steps * steps * 16
    found = cnnstat.analyze(Attention(mask), (1, steps, 64))
    assert (found.lane, found.totals.macs) == ("meta", steps * 64 * 192 + attended)
    assert found.layers[0].outputs == ((1, 4, steps, 16),)
    assert found.totals.exact == (not mask)
    assert [m.computed for m in found.totals.block_masks] == ([computed] if mask else [])
    if computed == 10:
        assert f"{attended * 10 // 16:,} are in the 10 of 16 blocks" in bounds(found)[0]
    trained = cnnstat.analyze(Attention(mask), (1, steps, 64), training=True)
    # both products of attention have two gradients; the input needs none
    assert trained.totals.backward_macs == 2 * attended + steps * 64 * 192


def test_nothing_of_torch_stays_replaced() -> None:
    before = copy.copy(torch.compile), torch.cond
    cnnstat.analyze(Choice(), (ROWS, WIDTH))
    assert (torch.compile, torch.cond) == before
