"""Complex numbers: one complex MAC is four real ones, in every operator, pass and lane."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import cnnstat
from cnnstat.tracing.meta_device.complex_convolutions import convolve
from tests.networks import Function

REAL = 4  # of one complex MAC


def z(*shape):
    real, imaginary = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    return torch.complex(real, imaginary)


# name: (function, its tensors, complex MACs)
FACTS = {
    "mm": (torch.mm, [z(2, 5), z(5, 3)], 2 * 5 * 3),
    "bmm": (torch.bmm, [z(4, 2, 5), z(4, 5, 3)], 4 * 2 * 5 * 3),
    "mv": (torch.mv, [z(2, 5), z(5)], 2 * 5),
    "dot": (torch.vdot, [z(5), z(5)], 5),
    "linear": (F.linear, [z(2, 5), z(3, 5), z(3)], 2 * 5 * 3),
    "einsum": (lambda a, b: torch.einsum("bik,bkj->bij", a, b), [z(4, 2, 5), z(4, 5, 3)],
               4 * 2 * 5 * 3),
    "conv1d": (F.conv1d, [z(2, 3, 9), z(4, 3, 3)], 2 * 7 * 4 * 3 * 3),
    "conv2d": (F.conv2d, [z(1, 3, 8, 8), z(4, 3, 3, 3)], 6 * 6 * 4 * 3 * 9),
    "conv3d": (F.conv3d, [z(1, 2, 4, 4, 4), z(3, 2, 2, 2, 2)], 3**3 * 3 * 2 * 8),
    "biased": (F.conv2d, [z(1, 3, 8, 8), z(4, 3, 3, 3), z(4)], 6 * 6 * 4 * 3 * 9),
    "same": (lambda x, w: F.conv2d(input=x, weight=w, padding="same"),
             [z(1, 3, 8, 8), z(4, 3, 3, 3)], 8 * 8 * 4 * 3 * 9),
    "strided": (lambda x, w: F.conv2d(x, w, None, 2, 1, groups=3),
                [z(1, 3, 8, 8), z(6, 1, 3, 3)], 4 * 4 * 6 * 9),
    "transposed": (lambda x, w: F.conv_transpose2d(x, w, stride=2),
                   [z(1, 3, 4, 4), z(3, 5, 2, 2)], 4 * 4 * 3 * 5 * 4),
    "unbatched": (F.conv2d, [z(3, 8, 8), z(4, 3, 3, 3)], 6 * 6 * 4 * 3 * 9),
}  # fmt: skip


@pytest.mark.parametrize("lane", ["meta", "cpu"])
@pytest.mark.parametrize("name", FACTS)
def test_macs(name, lane):
    function, tensors, macs = FACTS[name]
    analysis = cnnstat.analyze(Function(function), *tensors, lane=lane)
    assert analysis.totals.macs == REAL * macs
    assert analysis.totals.exact
    assert analysis.layers[0].outputs == (tuple(function(*tensors).shape),)


@pytest.mark.parametrize("name", [name for name, row in FACTS.items() if "conv" in str(row[0])])
def test_four_real_convolutions_are_the_complex_one(name):
    function, tensors, _ = FACTS[name]
    torch.testing.assert_close(convolve(function, *tensors), function(*tensors))


# The gradients of a vector product are outer products, which accumulate nothing.
@pytest.mark.parametrize("name", [name for name in FACTS if name not in ("mv", "dot")])
def test_macs_of_gradients(name):
    function, tensors, macs = FACTS[name]
    needing = [tensor.clone().requires_grad_() for tensor in tensors]
    totals = cnnstat.analyze(
        Function(lambda *t: function(*t).abs().sum()), *needing, training=True
    ).totals
    assert totals.backward_macs == 2 * REAL * macs


class ComplexLayers(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False, dtype=torch.complex64)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x):
        return self.conv(x) * self.scale


def test_a_complex_parameter_counts_once_and_is_noted():
    analysis = cnnstat.analyze(ComplexLayers(), "1,3,8,8:complex64")
    weights = 4 * 3 * 9
    assert analysis.totals.params == weights + 4
    assert analysis.totals.param_bytes == 8 * weights + 4 * 4
    assert analysis.totals.macs == REAL * 6 * 6 * weights
    assert analysis.notes[0].startswith(f"{weights} parameters are complex")
    assert {layer.path: layer.config for layer in analysis.layers}["conv"] == "3×3"


def test_explain_multiplies_by_four():
    layer = nn.Linear(5, 3, bias=False, dtype=torch.complex64)
    explanation = cnnstat.explain(nn.Sequential(layer), "0", "2,5:complex64")
    (step,) = [step for step in explanation.steps if step.figure == "macs"]
    assert step.result == REAL * 2 * 5 * 3
    assert "4" in step.numbers
