"""What one rule finds in several forms of a mistake, and which line it shows."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

import cnnstat


def linted(tmp_path: Path, layers: str, forward: str, code: str, head: str = "") -> cnnstat.Lint:
    (tmp_path / "net.py").write_text(
        f"import torch\nfrom torch import cuda, nn\n{head}\nclass Net(nn.Module):\n"
        f"    def __init__(self):\n        super().__init__()\n{textwrap.indent(layers, ' ' * 8)}\n"
        f"    def forward(self, x):\n{textwrap.indent(forward, ' ' * 8)}\n",
        encoding="utf-8",
    )
    return cnnstat.lint(f"{tmp_path / 'net.py'}:Net", (2, 16), select=[code])


BLOCK = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(16, 16)

    def forward(self, x):
        return self.linear(x)

"""


def test_what_runs_inside_a_listed_layer_is_no_finding_of_its_own(tmp_path: Path) -> None:
    layers = "self.blocks = [Block(), Block()]"
    forward = "return self.blocks[1](self.blocks[0](x))"
    (found,) = linted(tmp_path, layers, forward, "CN101", BLOCK).findings
    assert found.message.startswith("`blocks` is a plain list: 544 parameters of 2 Block")


def test_a_layer_of_the_same_class_outside_of_the_list_is_one(tmp_path: Path) -> None:
    layers = "self.blocks = [Block()]\nhidden = nn.Linear(16, 16)\nself.call = lambda x: hidden(x)"
    forward = "return self.call(self.blocks[0](x))"
    found = linted(tmp_path, layers, forward, "CN101", BLOCK).findings
    assert [item.params for item in found] == [272, 272]


def test_a_layer_that_a_sequential_calls_is_shown_where_it_is_created(tmp_path: Path) -> None:
    layers = "self.net = nn.Sequential(\n    nn.Linear(16, 10),\n    nn.Softmax(0),\n)"
    (found,) = linted(tmp_path, layers, "return self.net(x)", "CN202").findings
    assert found.source is not None
    assert found.source.text.strip() == "nn.Softmax(0),"
    assert found.called_from is not None
    assert found.called_from.endswith("net.py:12")


CUDA = "Tensor = cuda.FloatTensor if cuda.is_available() else torch.FloatTensor\n"


@pytest.mark.parametrize(("head", "number"), [(CUDA, 0), ("Tensor = torch.FloatTensor\n", 1)])
def test_a_type_that_follows_the_device(tmp_path: Path, head: str, number: int) -> None:
    found = linted(tmp_path, "self.head = nn.Linear(16, 10)",
                   "return self.head(x + Tensor(16).fill_(0.1))", "CN102", head)  # fmt: skip
    assert len(found.findings) == number
    assert not found.undecided


def test_an_encoder_that_reads_its_mask_is_decided(tmp_path: Path) -> None:
    layers = (
        "self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32), 1)\n"
        "self.table = torch.ones(2, 16)"
    )
    forward = "mask = torch.ones(2, 2, device=x.device).triu(1).bool()\n"
    for end, number in (("", 0), (" + self.table", 1)):
        forward_to_end = f"{forward}return self.encoder(x, mask=mask){end}"
        lint = linted(tmp_path, layers, forward_to_end, "CN102")
        assert len(lint.findings) == number
        assert not lint.undecided


STEPS_FIRST = """\
import torch
from torch import nn

example_input = {"ids": ((12, 1), "int64"), "style": (1, 16)}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.head = nn.Linear(16, 16)

    def forward(self, ids, style):
        x = self.embedding(ids).mean(0)
        return self.head(x + style).softmax(0)
"""


def test_the_batch_axis_of_one_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(STEPS_FIRST, encoding="utf-8")
    inputs = {"ids": "12,1:int64", "style": "1,16"}
    assert not cnnstat.lint("net.py:Net", select=["CN202"], **inputs).findings
    Path("pyproject.toml").write_text("[tool.cnnstat.lint]\nbatch-axis = {ids = 1}\n")
    lint = cnnstat.lint("net.py:Net", select=["CN202"], **inputs)
    assert [f.severity for f in lint.findings] == ["error"]
    assert not lint.undecided


def test_all_that_stays_on_the_cpu_is_found_at_once(tmp_path: Path) -> None:
    layers = "self.scale, self.shift = torch.ones(16), torch.ones(16)\nself.gru = nn.GRU(16, 16)"
    forward = (
        "x = x * self.scale + self.shift + self.scale\nx = x - torch.arange(16)\n"
        "return self.gru(x[None], torch.zeros(1, 2, 16))"
    )
    found = linted(tmp_path, layers, forward, "CN102").findings
    assert [f.message.partition(" ")[0] for f in found] == ["`scale`", "`shift`", "sub", "gru"]
    assert all(f.fix and f.fix.verified for f in found[2:])


def test_a_missing_return_is_shown_at_the_end_of_forward(tmp_path: Path) -> None:
    (found,) = linted(tmp_path, "self.a = nn.Linear(16, 2)", "x = x + 1\nx = self.a(x)",
                      "CN108").findings  # fmt: skip
    assert found.source is not None
    assert (found.source.line, found.source.text.strip()) == (10, "x = self.a(x)")


CONV = """
def conv(inner, outer):
    return nn.Sequential(
        nn.Conv2d(inner, outer, 3),
        nn.BatchNorm2d(outer, 0.8),
    )

"""


def test_an_argument_is_shown_where_it_is_written(tmp_path: Path) -> None:
    layers, forward = (
        "self.body = conv(1, 4)",
        "return self.body(x[:, None, None].expand(2, 1, 8, 16))",
    )
    for code, text in (("CN301", "nn.Conv2d(inner, outer, 3),"),
                       ("CN305", "nn.BatchNorm2d(outer, 0.8),")):  # fmt: skip
        (found,) = linted(tmp_path, layers, forward, code, CONV).findings
        assert found.source is not None
        assert found.source.text.strip() == text


def test_slices_that_share_a_map_skip_nothing(tmp_path: Path) -> None:
    """The factorised reduction of NASNet: two 1×1 pools, one shifted by a position."""
    layers = "self.stem = nn.Conv2d(1, 4, 3, padding=1)\nself.pool = nn.AvgPool2d(1, 2)"
    forward = (
        "x = self.stem(x.view(2, 1, 4, 4)).relu()\n"
        "return torch.cat([self.pool(x), self.pool(F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:])], 1)"
    )
    head = "from torch.nn import functional as F\n"
    assert not linted(tmp_path, layers, forward, "CN402", head).findings
