"""What is right and resembles a mistake: no rule fires."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import cnnstat
from cnnstat.choices import Loss


class Run(nn.Module):
    """A forward pass on layers, as a function."""

    def __init__(self, forward: Callable[..., object], **layers: nn.Module) -> None:
        super().__init__()
        self.function = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, *inputs: Tensor) -> object:
        return self.function(self, *inputs)


def relative_shift(net: nn.Module, x: Tensor) -> Tensor:
    """The shift of Transformer-XL: a column of zeros, a view, a slice."""
    b, n, m = x.shape
    padded = torch.cat([x.new_zeros(b, n, 1), x], 2)
    return padded.view(b, m + 1, n)[:, 1:].reshape(b, n, m)


def relative_shift_without_padding(net: nn.Module, x: Tensor) -> Tensor:
    """That of Funnel: a view, a slice, and a view of the rows that are left."""
    b, n, m = x.shape
    return x.reshape(b, m, n)[:, 2:, :].reshape(b, n, m - 2) * 2


def windows(net: nn.Module, x: Tensor) -> Tensor:
    b, c, h, w = x.shape
    x = x.view(b, c, h // 7, 7, w // 7, 7).permute(0, 2, 4, 3, 5, 1).reshape(-1, 49, c)
    x = net.get_submodule("mix")(x)
    return x.view(b, h // 7, w // 7, 7, 7, c).permute(0, 5, 1, 3, 2, 4).reshape(b, c, h, w)


def siamese(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    a, b = net.get_submodule("encoder")(torch.cat([x, y])).chunk(2)
    return (a - b).abs()


def steps_first(net: nn.Module, x: Tensor) -> Tensor:
    y, _ = net.get_submodule("lstm")(x)
    return net.get_submodule("head")(y[-1])


def pairs(net: nn.Module, x: Tensor) -> Tensor:
    x = functional.normalize(net.get_submodule("head")(x))
    return (x @ x.t()).softmax(0)


def stored(net: nn.Module, x: Tensor) -> Tensor:
    out = x.new_zeros(len(x), 16)
    out[:, :8] = net.get_submodule("left")(x)
    out[:, 8:] = net.get_submodule("right")(x)
    return out


RIGHT = [
    (Run(relative_shift), [(5, 12, 10)]),
    (Run(relative_shift_without_padding), [(5, 12, 10)]),
    (Run(windows, mix=nn.Linear(12, 12)), [(3, 12, 28, 14)]),
    (Run(siamese, encoder=nn.Linear(6, 4)), [(5, 6), (5, 6)]),
    (Run(steps_first, lstm=nn.LSTM(6, 8), head=nn.Linear(8, 3)), [(20, 5, 6)]),
    (Run(pairs, head=nn.Linear(6, 4)), [(5, 6)]),
    (Run(stored, left=nn.Linear(6, 8), right=nn.Linear(6, 8)), [(5, 6)]),
    # a factorisation: the width between is smaller than both sides
    (nn.Sequential(nn.Linear(64, 8), nn.Linear(8, 64)), [(5, 64)]),
    # channels are reduced before a large kernel: one layer would have more weights
    (nn.Sequential(nn.Conv2d(64, 4, 1), nn.Conv2d(4, 4, 3, padding=1)), [(2, 64, 8, 8)]),
    # a depthwise convolution is no linear map of all channels
    (nn.Sequential(nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 16, 1)), [(2, 8, 9, 9)]),
    # mixing along tokens, then along channels
    (Run(lambda net, x: net.b(net.a(x.transpose(1, 2)).transpose(1, 2)), a=nn.Linear(20, 20),
         b=nn.Linear(12, 12)), [(5, 20, 12)]),
    # the sequence of one step is the user's
    (nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, eps=1e-3, momentum=0.01)), [(2, 3, 8, 8)]),
    # channels last
    (Run(lambda net, x: net.a(x).permute(0, 3, 1, 2), a=nn.Linear(3, 8)), [(2, 16, 16, 3)]),
]  # fmt: skip


@pytest.mark.parametrize(("net", "inputs"), RIGHT)
def test_what_is_right(net: nn.Module, inputs: list[tuple[int, ...]]) -> None:
    findings = cnnstat.lint(net, *inputs, ignore=["CN301"]).findings
    assert [f for f in findings if f.severity != "hint"] == []


def test_a_sequence_that_may_have_its_steps_first_is_a_hint() -> None:
    net = Run(lambda net, x: net.lstm(x)[0], lstm=nn.LSTM(6, 8))
    (finding,) = cnnstat.lint(net, (20, 5, 6), select=["CN203"]).findings
    assert (finding.severity, finding.paths) == ("hint", ("lstm",))


def test_a_softmax_that_is_constant_on_small_images_only_is_a_warning() -> None:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        x = net.get_submodule("conv")(x).flatten(2).transpose(1, 2)
        return (x @ x.transpose(1, 2)).softmax(-1) @ x

    net = Run(forward, conv=nn.Conv2d(3, 8, 16, 16))
    (finding,) = cnnstat.lint(net, (2, 3, 16, 16), select=["CN303"]).findings
    assert finding.severity == "warning"
    assert cnnstat.lint(net, (2, 3, 32, 32), select=["CN303"]).findings == ()


@pytest.mark.parametrize(
    ("last", "loss", "severity"),
    [
        (nn.Softmax(1), "cross-entropy", "warning"),
        (nn.Sigmoid(), "bce-logits", "warning"),
        (nn.LogSoftmax(1), "cross-entropy", "hint"),  # a second one changes nothing
        (nn.Softmax(1), None, None),
    ],
)
def test_activations_and_the_loss(last: nn.Module, loss: Loss | None, severity: str | None) -> None:
    net = nn.Sequential(nn.Linear(6, 4), last)
    found = [f.severity for f in cnnstat.lint(net, (5, 6), loss=loss).findings]
    assert found == ([severity] if severity else [])


def test_a_batch_that_changes_the_operators_is_undecided() -> None:
    def by_example(net: nn.Module, x: Tensor) -> Tensor:
        return torch.stack([net.get_submodule("head")(row) for row in x])

    lint = cnnstat.lint(Run(by_example, head=nn.Linear(6, 4)), (5, 6), select=["CN201"])
    assert [rule.code for rule in lint.undecided] == ["CN201"]
    assert "depend on the batch size" in lint.undecided[0].reason


class OnGPU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        table = torch.eye(x.shape[1])
        if x.is_cuda:
            table = table.cuda()
        return x @ table


def test_a_tensor_that_is_moved_where_there_is_a_gpu() -> None:
    assert cnnstat.lint(OnGPU(), (5, 6), select=["CN102"]).findings == ()


def test_computed_twice_across_writes_in_place() -> None:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        first = net.get_submodule("head")(x)
        x.add_(1)
        return first + net.get_submodule("head")(x)

    net = Run(forward, head=nn.Linear(6, 4))
    assert cnnstat.lint(net, (5, 6), select=["CN702"]).findings == ()
