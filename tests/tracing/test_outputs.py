"""What a model returns, and how it is called: outputs of every kind have shapes in the report."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import cnnstat


class Named(NamedTuple):
    logits: Tensor
    aux: Any
    score: Tensor


@dataclasses.dataclass
class Record:
    logits: Tensor
    aux: Any
    score: Tensor


class Attributes:
    def __init__(self, logits: Tensor, score: Tensor) -> None:
        self.logits = logits
        self._score = score
        self.itself = self


class Table(collections.OrderedDict):
    """As ModelOutput of transformers."""


BOTH = ((2, 3), (2,))
KINDS = [
    (lambda y, s: Named(y, None, s), BOTH),
    (lambda y, s: Record(y, None, s), BOTH),
    (lambda y, s: Attributes(y, s), BOTH),
    (lambda y, s: Table(logits=y, aux=None, deep={"a": [{"b": s}], "n": 3, "s": "text"}), BOTH),
    (lambda y, s: (item for item in (y, s)), BOTH),
    (lambda y, s: (y, Record(None, None, s)), BOTH),
    (lambda y, s: [None, (y, {"score": s})], BOTH),
    (lambda y, s: {1: y, "two": (None, s)}, BOTH),
    (lambda y, s: None, ()),
    (lambda y, s: "text", ()),
]


class Returning(nn.Module):
    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.kind = kind

    def forward(self, x: Tensor) -> Any:
        y = self.linear(x)
        return self.kind(y, y.sum(1))


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_outputs_keep_their_shapes(number: int) -> None:
    kind, shapes = KINDS[number]
    found = cnnstat.analyze(Returning(kind), (2, 4))
    assert found.layers[0].outputs == shapes
    assert found.totals.macs == 24


def test_a_generator_is_run_to_its_end() -> None:
    class Stream(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Any:
            for _ in range(3):
                x = self.linear(x)
                yield x

    found = cnnstat.analyze(Stream(), (2, 4))
    assert found.totals.macs == 3 * 2 * 4 * 4
    assert found.layers[0].outputs == ((2, 4),) * 3


def test_a_model_with_a_call_of_its_own_has_its_row() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 4)

        def __call__(self, x: Tensor) -> Tensor:
            return self.linear(x)

    class Around(Own):
        def __call__(self, x: Tensor) -> Tensor:
            return nn.Module.__call__(self, x)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x) + 1

    for model in (Own(), Around()):
        found = cnnstat.analyze(model, (2, 8))
        root, *rows = found.layers
        assert (root.path, root.outputs, root.total.macs) == ("", ((2, 4),), 64)
        assert [row.path for row in rows if row.kind == "module"] == ["linear"]


def test_an_exported_program_as_a_module() -> None:
    net = nn.Sequential(nn.Linear(8, 4), nn.ReLU()).eval()
    module = torch.export.export(net, (torch.zeros(2, 8),)).module()
    found = cnnstat.analyze(module, (2, 8))
    assert (found.totals.macs, found.totals.params) == (64, 36)
    assert found.layers[0].outputs == ((2, 4),)


class Physics(nn.Module):
    """A network of physics (PINN): its output and its derivative."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 5)
        self.last = nn.Linear(5, 1)

    def forward(self, x: Tensor) -> Any:
        x = x.requires_grad_(True)
        u = self.last(torch.tanh(self.first(x)))
        (g,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        return u, g


def test_gradients_in_forward() -> None:
    forward = 4 * (6 * 5 + 5)
    for lane in (None, "cpu"):
        found = cnnstat.analyze(Physics(), (4, 6), lane=lane)  # type: ignore[arg-type]  # a lane
        assert (found.lane, found.layers[0].outputs) == (lane or "meta", ((4, 1), (4, 6)))
        assert found.totals.macs == 2 * forward  # each layer has the gradient of its input
        assert found.totals.exact
    trained = cnnstat.analyze(Physics(), (4, 6), training=True)
    assert trained.totals.backward_macs


def test_transformations_of_functions() -> None:
    from torch.func import functional_call, grad, jacrev, stack_module_state, vmap

    class Ensemble(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.members = nn.ModuleList(nn.Linear(6, 5) for _ in range(3))

        def forward(self, x: Tensor) -> Any:
            parameters, buffers = stack_module_state(list(self.members))
            return vmap(
                lambda p, b, x: functional_call(self.members[0], (p, b), (x,)), (0, 0, None)
            )(parameters, buffers, x)

    assert cnnstat.analyze(Ensemble(), (4, 6)).totals.macs == 3 * 4 * 30

    class Of(nn.Module):
        def __init__(self, function: Any) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 5)
            self.function = function

        def forward(self, x: Tensor) -> Any:
            return self.function(lambda v: torch.tanh(self.linear(v)), x)

    one = 4 * 30
    cases = [
        (lambda f, x: vmap(jacrev(f))(x), one + 5 * one, (4, 5, 6)),
        (lambda f, x: grad(lambda v: f(v).sum())(x), 2 * one, (4, 6)),
    ]
    for function, macs, shape in cases:
        found = cnnstat.analyze(Of(function), (4, 6))
        assert (found.totals.macs, found.layers[0].outputs[0]) == (macs, shape)
