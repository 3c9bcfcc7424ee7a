"""What operators cost: every figure stands beside the arithmetic it comes from.

The convention (DESIGN.md, section 4): one MAC is one multiply and one add of a convolution, linear,
matmul, attention or recurrent product; bias, normalisation, activation and pooling are `other_ops`.
"""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import cnnstat
from cnnstat import operators
from cnnstat.operators import registry
from cnnstat.operators.costs import Cost
from cnnstat.operators.registry import Trait, cost_of, reason_free, traits_of
from cnnstat.trace.records import Op, TensorSpec
from cnnstat.tracing.meta_device import meta_rules
from tests.networks import Function, SelfAttention


def cost(model, *inputs, mode="eval"):
    """(macs, other_ops) of the whole model; everything in these tables must be counted exactly."""
    if not isinstance(model, nn.Module):
        model = Function(model)
    totals = cnnstat.analyze(model, *inputs, mode=mode).totals
    assert totals.exact, totals.uncounted
    assert totals.flops == 2 * totals.macs
    return totals.macs, totals.other_ops


def named(table):
    """The table as parameters, each named after its layer and its input."""
    return [pytest.param(*row, id=f"{row[0]}-{row[1]}".replace(" ", "")) for row in table]


# Convolutions: output positions × output channels × (input channels of a group × kernel).

CONVOLUTIONS = [
    (nn.Conv1d(3, 4, 3), (2, 3, 9), 2 * 7 * 4 * 3 * 3),
    (nn.Conv2d(3, 8, 5), (1, 3, 12, 12), 8 * 8 * 8 * 3 * 5 * 5),
    (nn.Conv2d(3, 8, 5, bias=False), (1, 3, 12, 12), 8 * 8 * 8 * 3 * 5 * 5),
    (nn.Conv3d(2, 4, 3), (1, 2, 5, 6, 7), 3 * 4 * 5 * 4 * 2 * 27),
    (nn.Conv2d(3, 8, 1), (4, 3, 7, 9), 4 * 7 * 9 * 8 * 3),  # 1×1: a linear layer per position
    (nn.Conv2d(3, 8, (1, 5)), (1, 3, 6, 12), 6 * 8 * 8 * 3 * 5),
    (nn.Conv2d(3, 8, 3, stride=2, padding=1), (1, 3, 9, 9), 5 * 5 * 8 * 3 * 9),  # ⌊(9+2-3)/2⌋+1
    (nn.Conv2d(3, 8, 3, stride=(1, 3)), (1, 3, 9, 9), 7 * 3 * 8 * 3 * 9),
    # A MAC on a padded zero counts like any other: only the number of outputs matters.
    (nn.Conv2d(3, 8, 3, padding="same"), (1, 3, 9, 9), 9 * 9 * 8 * 3 * 9),
    (nn.Conv2d(3, 8, 3, padding=(0, 2)), (1, 3, 9, 9), 7 * 11 * 8 * 3 * 9),
    (nn.Conv2d(3, 8, 3, padding=2, padding_mode="circular"), (1, 3, 9, 9), 11 * 11 * 8 * 3 * 9),
    (nn.Conv2d(3, 8, 3, dilation=2), (1, 3, 9, 9), 5 * 5 * 8 * 3 * 9),  # spans 5, has 9 weights
    (nn.Conv1d(4, 4, 2, dilation=4), (1, 4, 10), 6 * 4 * 4 * 2),
    (nn.Conv2d(16, 16, 3, groups=16), (1, 16, 10, 10), 8 * 8 * 16 * 1 * 3 * 3),  # depthwise
    (nn.Conv2d(16, 32, 3, groups=16), (1, 16, 10, 10), 8 * 8 * 32 * 1 * 3 * 3),  # multiplier 2
    (nn.Conv2d(16, 32, 3, groups=4), (2, 16, 10, 10), 2 * 8 * 8 * 32 * 4 * 3 * 3),
    (nn.Conv1d(6, 6, 3, groups=3), (1, 6, 8), 6 * 6 * 2 * 3),
    (nn.Conv3d(4, 4, 2, groups=4), (1, 4, 3, 3, 3), 8 * 4 * 1 * 8),
    (nn.Conv2d(3, 8, 3), (3, 9, 9), 7 * 7 * 8 * 3 * 9),  # without a batch dimension
    (nn.Conv1d(3, 4, 3), (3, 9), 7 * 4 * 3 * 3),
]

# Transposed: every *input* position meets every weight of its group.
TRANSPOSED_CONVOLUTIONS = [
    (nn.ConvTranspose1d(4, 3, 2), (2, 4, 5), 2 * 5 * 4 * 3 * 2),
    (nn.ConvTranspose2d(4, 6, 3), (1, 4, 5, 5), 5 * 5 * 4 * 6 * 9),
    (nn.ConvTranspose2d(4, 6, 3, stride=2), (1, 4, 5, 5), 5 * 5 * 4 * 6 * 9),
    (nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1), (1, 4, 5, 5), 5 * 5 * 4 * 6 * 16),
    (nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1), (1, 4, 5, 5), 5 * 5 * 4 * 6 * 9),
    (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (1, 4, 5, 5), 5 * 5 * 4 * 3 * 9),
    (nn.ConvTranspose3d(2, 3, 2, stride=2), (1, 2, 3, 4, 5), 3 * 4 * 5 * 2 * 3 * 8),
    (nn.ConvTranspose2d(4, 6, 3), (4, 5, 5), 5 * 5 * 4 * 6 * 9),  # without a batch dimension
]


@pytest.mark.parametrize(("layer", "shape", "macs"), named(CONVOLUTIONS + TRANSPOSED_CONVOLUTIONS))
def test_convolution(layer, shape, macs):
    # The bias is one addition per output element; the elements are counted on a real run.
    outputs = layer(torch.zeros(shape)).numel()
    assert cost(layer, shape) == (macs, outputs if layer.bias is not None else 0)


LAZY = [
    (nn.LazyConv2d(8, 3), (1, 3, 9, 9), 7 * 7 * 8 * 3 * 9),
    (nn.LazyConvTranspose2d(8, 3), (1, 3, 9, 9), 9 * 9 * 3 * 8 * 9),
    (nn.LazyLinear(5), (2, 4), 2 * 4 * 5),
]


@pytest.mark.parametrize(("layer", "shape", "macs"), named(LAZY))
def test_lazy_layer(layer, shape, macs):
    assert cost(layer, shape)[0] == macs


# Linear layers and products

LINEAR = [
    (nn.Linear(4, 5), (4,), 4 * 5, 5),
    (nn.Linear(4, 5), (2, 4), 2 * 4 * 5, 2 * 5),
    (nn.Linear(4, 5, bias=False), (2, 4), 2 * 4 * 5, 0),
    # The middle dimensions count: the layer is applied at each of their positions.
    (nn.Linear(4, 5), (2, 3, 4), 2 * 3 * 4 * 5, 2 * 3 * 5),
    (nn.Linear(4, 5), (2, 3, 7, 4), 2 * 3 * 7 * 4 * 5, 2 * 3 * 7 * 5),
    (nn.Linear(4, 5, bias=False), (2, 3, 7, 4), 2 * 3 * 7 * 4 * 5, 0),
    (nn.Linear(1, 1), (1, 1), 1, 1),
]


@pytest.mark.parametrize(("layer", "shape", "macs", "other_ops"), named(LINEAR))
def test_linear(layer, shape, macs, other_ops):
    assert cost(layer, shape) == (macs, other_ops)


def test_bilinear():
    # [n,o] = Σ_j (Σ_i x[n,i] w[o,i,j]) y[n,j]: for each output 3·4 products, then 4; bias 2·5
    assert cost(nn.Bilinear(3, 4, 5), (2, 3), (2, 4)) == (2 * 5 * (3 * 4 + 4), 2 * 5)


PRODUCTS = [
    # 3×5 pairs in 4 dimensions: difference, its square accumulated; one root a pair
    ("cdist", torch.cdist, [(3, 4), (5, 4)], 3 * 5 * 4, 3 * 5 * (4 + 1)),
    ("cdist, p=1", lambda a, b: torch.cdist(a, b, p=1), [(3, 4), (5, 4)], 0, 3 * 5 * (3 * 4 + 1)),
    ("mm", torch.mm, [(2, 3), (3, 4)], 2 * 3 * 4, 0),
    ("bmm", torch.bmm, [(2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5, 0),
    ("addmm", torch.addmm, [(2, 5), (2, 3), (3, 5)], 2 * 3 * 5, 2 * 5),
    ("addmm, row", torch.addmm, [(5,), (2, 3), (3, 5)], 2 * 3 * 5, 2 * 5),
    ("baddbmm", torch.baddbmm, [(2, 3, 5), (2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5, 2 * 3 * 5),
    ("addbmm", torch.addbmm, [(3, 5), (2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5, 3 * 5),
    ("mv", torch.mv, [(2, 3), (3,)], 2 * 3, 0),
    ("addmv", torch.addmv, [(2,), (2, 3), (3,)], 2 * 3, 2),
    ("dot", torch.dot, [(5,), (5,)], 5, 0),
    ("vdot", torch.vdot, [(5,), (5,)], 5, 0),
    ("inner", torch.inner, [(3, 4), (5, 4)], 3 * 5 * 4, 0),
    ("addr", torch.addr, [(3, 4), (3,), (4,)], 3 * 4, 3 * 4),
    ("chain", lambda a, b: torch.linalg.multi_dot([a, b]), [(3, 4), (4, 5)], 3 * 4 * 5, 0),
    ("tensordot", lambda a, b: torch.tensordot(a, b, 1), [(2, 3, 4), (4, 5)], 2 * 3 * 4 * 5, 0),
    # An outer product accumulates nothing: it is elementwise.
    ("outer", torch.outer, [(3,), (4,)], 0, 3 * 4),
    ("@ vector·vector", lambda a, b: a @ b, [(3,), (3,)], 3, 0),
    ("@ vector·matrix", lambda a, b: a @ b, [(3,), (3, 4)], 3 * 4, 0),
    ("@ matrix·vector", lambda a, b: a @ b, [(2, 3), (3,)], 2 * 3, 0),
    ("@ batch·vector", lambda a, b: a @ b, [(2, 5, 3), (3,)], 2 * 5 * 3, 0),
    ("@ batch·matrix", lambda a, b: a @ b, [(2, 3, 4, 5), (5, 6)], 2 * 3 * 4 * 5 * 6, 0),
    ("@ matrix·batch", lambda a, b: a @ b, [(5, 3), (2, 3, 4)], 2 * 5 * 3 * 4, 0),
    ("@ broadcast", lambda a, b: a @ b, [(2, 1, 4, 5), (1, 3, 5, 6)], 2 * 3 * 4 * 5 * 6, 0),
    ("F.linear", F.linear, [(2, 3), (5, 3)], 2 * 3 * 5, 0),
    ("F.linear, bias", F.linear, [(2, 3), (5, 3), (5,)], 2 * 3 * 5, 2 * 5),
    ("F.conv1d", F.conv1d, [(1, 3, 8), (5, 3, 3)], 6 * 5 * 3 * 3, 0),
    ("F.conv2d", F.conv2d, [(1, 3, 8, 8), (5, 3, 3, 3)], 6 * 6 * 5 * 3 * 9, 0),
    ("F.conv2d, bias", F.conv2d, [(1, 3, 8, 8), (5, 3, 3, 3), (5,)], 6 * 6 * 5 * 27, 6 * 6 * 5),
    ("F.conv_transpose1d", F.conv_transpose1d, [(1, 4, 5), (4, 3, 2)], 5 * 4 * 3 * 2, 0),
    ("F.bilinear", F.bilinear, [(2, 3), (2, 4), (5, 3, 4)], 2 * 5 * (3 * 4 + 4), 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "shapes", "macs", "other_ops"), [pytest.param(*p[1:], id=p[0]) for p in PRODUCTS]
)
def test_product(function, shapes, macs, other_ops):
    assert cost(function, *shapes) == (macs, other_ops)


EINSUMS = [
    ("ij,jk->ik", [(2, 3), (3, 4)], 2 * 3 * 4),
    ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5),
    ("bhqd,bhkd->bhqk", [(2, 3, 4, 8), (2, 3, 5, 8)], 2 * 3 * 4 * 5 * 8),  # attention scores
    ("nchw,oc->nohw", [(2, 3, 4, 5), (7, 3)], 2 * 3 * 4 * 5 * 7),  # a 1×1 convolution
    ("bi,bi->b", [(3, 4), (3, 4)], 3 * 4),
    ("ij,ij->", [(3, 4), (3, 4)], 3 * 4),
    ("ab,bc,cd->ad", [(2, 3), (3, 4), (4, 5)], 2 * 3 * 4 + 2 * 4 * 5),  # contracted left to right
]


@pytest.mark.parametrize(("equation", "shapes", "macs"), EINSUMS)
def test_einsum(equation, shapes, macs):
    assert cost(lambda *tensors: torch.einsum(equation, *tensors), *shapes) == (macs, 0)


def test_in_place_forms_cost_what_the_others_do():
    shapes = [(2, 5), (2, 3), (3, 5)]
    assert cost(lambda c, a, b: c.addmm_(a, b), *shapes) == (2 * 3 * 5, 2 * 5)
    assert cost(lambda x: x.add_(1).relu_().mul_(2), (3, 4)) == (0, 3 * 12)


# Attention: [q,d]·[d,k] scores and [q,k]·[k,v] for each example and query head.

ATTENTION = [
    ({}, [(2, 4, 5, 8), (2, 4, 7, 8), (2, 4, 7, 6)], 2 * 4 * 5 * 7 * (8 + 6)),
    ({}, [(5, 8), (7, 8), (7, 8)], 5 * 7 * (8 + 8)),
    # A causal mask is not discounted: the products are computed and then masked.
    ({"is_causal": True}, [(2, 4, 5, 8)] * 3, 2 * 4 * 5 * 5 * (8 + 8)),
    # Grouped queries: two heads of keys and values serve eight of queries, which all count.
    ({"enable_gqa": True}, [(2, 8, 5, 16)] + [(2, 2, 7, 16)] * 2, 2 * 8 * 5 * 7 * (16 + 16)),
]


@pytest.mark.parametrize(("options", "shapes", "macs"), ATTENTION)
def test_scaled_dot_product_attention(options, shapes, macs):
    def attend(query, key, value):
        return F.scaled_dot_product_attention(query, key, value, **options)

    assert cost(attend, *shapes)[0] == macs


def test_attention_other_ops():
    # On meta: queries and keys are both scaled by d^(-1/4), softmax is 5 per score
    q, k, scores = 2 * 4 * 5 * 8, 2 * 4 * 7 * 8, 2 * 4 * 5 * 7
    shapes = [(2, 4, 5, 8), (2, 4, 7, 8), (2, 4, 7, 6)]
    assert cost(F.scaled_dot_product_attention, *shapes)[1] == q + k + 5 * scores


# Per token four projections 16×16 (query, key, value, output), then 5×5 scores and their values,
# 16 wide over all heads together.
SELF_ATTENTION = 2 * 5 * 4 * 16 * 16 + 2 * 5 * 5 * (16 + 16)


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("need_weights", [True, False])  # two implementations in torch
def test_multihead_attention(mode, need_weights):
    assert cost(SelfAttention(need_weights), (2, 5, 16), mode=mode)[0] == SELF_ATTENTION


def test_multihead_attention_of_several_widths():
    class CrossAttention(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(16, 4, kdim=6, vdim=10, batch_first=True)

        def forward(self, query, key, value):
            return self.attention(query, key, value)

    projections = 5 * 16 * 16 + 7 * 6 * 16 + 7 * 10 * 16 + 5 * 16 * 16  # q, k, v, output
    macs, _ = cost(CrossAttention(), (1, 5, 16), (1, 7, 6), (1, 7, 10))
    assert macs == projections + 5 * 7 * (16 + 16)


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("norm_first", [False, True])
def test_transformer_encoder_layer(mode, norm_first):
    # In eval mode torch would run the layer as one fused operator, which hides its products.
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=norm_first)
    feed_forward = 2 * 5 * (16 * 32 + 32 * 16)
    assert cost(layer, (2, 5, 16), mode=mode)[0] == SELF_ATTENTION + feed_forward


def test_transformer_encoder():
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    encoder = nn.TransformerEncoder(layer, num_layers=3)
    feed_forward = 2 * 5 * (16 * 32 + 32 * 16)
    macs, _ = cost(encoder, (2, 5, 16))
    assert macs == 3 * (SELF_ATTENTION + feed_forward)


def test_transformer_decoder_layer():
    layer = nn.TransformerDecoderLayer(16, 4, 32, batch_first=True)
    # 3 targets attend to themselves, then to 5 memories; both attentions have four projections
    own = 3 * 4 * 16 * 16 + 3 * 3 * (16 + 16)
    cross = (3 + 5 + 5 + 3) * 16 * 16 + 3 * 5 * (16 + 16)
    assert cost(layer, (1, 3, 16), (1, 5, 16))[0] == own + cross + 3 * (16 * 32 + 32 * 16)


# Recurrent layers: steps × batch × gates × hidden × (input + hidden) per layer and direction.

RECURRENT = [
    (nn.RNN(8, 16), (5, 2, 8), 5 * 2 * 1 * 16 * (8 + 16)),
    (nn.GRU(8, 16), (5, 2, 8), 5 * 2 * 3 * 16 * (8 + 16)),
    (nn.LSTM(8, 16), (5, 2, 8), 5 * 2 * 4 * 16 * (8 + 16)),
    (nn.LSTM(8, 16), (5, 8), 5 * 4 * 16 * (8 + 16)),  # without a batch dimension
    (nn.LSTM(8, 16, batch_first=True), (2, 5, 8), 5 * 2 * 4 * 16 * (8 + 16)),
    (nn.LSTM(8, 16, bidirectional=True), (5, 2, 8), 2 * 5 * 2 * 4 * 16 * (8 + 16)),
    (nn.GRU(8, 16, num_layers=2), (5, 2, 8), 5 * 2 * 3 * 16 * ((8 + 16) + (16 + 16))),
    # the second layer reads both directions of the first
    (nn.LSTM(8, 16, 2, bidirectional=True), (5, 2, 8),
     2 * 5 * 2 * 4 * 16 * ((8 + 16) + (32 + 16))),
    # the hidden state is projected to 4, and the recurrence reads the projection
    (nn.LSTM(8, 16, proj_size=4), (5, 2, 8), 5 * 2 * (4 * 16 * (8 + 4) + 4 * 16)),
    (nn.RNNCell(8, 16), (2, 8), 2 * 16 * (8 + 16)),
    (nn.GRUCell(8, 16), (2, 8), 2 * 3 * 16 * (8 + 16)),
    (nn.LSTMCell(8, 16), (2, 8), 2 * 4 * 16 * (8 + 16)),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shape", "macs"), named(RECURRENT))
def test_recurrent(layer, shape, macs):
    assert cost(layer, shape)[0] == macs


def test_recurrent_other_ops():
    # per gate element two biases, their sum and an activation; tanh and a product for the
    # output, and c = f·c + i·g (3) for the state
    gates, hidden = 5 * 2 * 4 * 16, 5 * 2 * 16
    assert cost(nn.LSTM(8, 16), (5, 2, 8))[1] == (2 + 1 + 1) * gates + (2 + 3) * hidden
    # an RNN has one gate, its tanh
    assert cost(nn.RNN(8, 16), (5, 2, 8))[1] == (2 + 1 + 1) * hidden


# Everything outside the products: other_ops, and no MACs.

X = 2 * 4 * 8 * 8  # elements of the input below

NORMS = [  # (layer, in eval mode, in train mode, where batch statistics are computed)
    (nn.BatchNorm2d(4), 2 * X, 5 * X + 1),  # + 1: the count of batches seen
    (nn.BatchNorm2d(4, affine=False), 1 * X, 4 * X + 1),
    (nn.BatchNorm2d(4, track_running_stats=False), 5 * X, 5 * X),
    (nn.GroupNorm(2, 4), 5 * X, 5 * X),
    (nn.GroupNorm(2, 4, affine=False), 4 * X, 4 * X),
    (nn.InstanceNorm2d(4), 4 * X, 4 * X),
    (nn.InstanceNorm2d(4, affine=True), 5 * X, 5 * X),
    (nn.LayerNorm(8), 5 * X, 5 * X),
    (nn.LayerNorm((8, 8), elementwise_affine=False), 4 * X, 4 * X),
]


@pytest.mark.parametrize(("layer", "in_eval", "in_train"), named(NORMS))
def test_norm(layer, in_eval, in_train):
    assert cost(layer, (2, 4, 8, 8)) == (0, in_eval)
    assert cost(layer, (2, 4, 8, 8), mode="train") == (0, in_train)


ELEMENTWISE = [
    *((layer, X) for layer in (
        nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.LeakyReLU(), nn.PReLU(), nn.PReLU(4),
        nn.ELU(), nn.SELU(), nn.CELU(), nn.GELU(), nn.GELU(approximate="tanh"), nn.SiLU(),
        nn.Mish(), nn.Hardtanh(), nn.Hardswish(), nn.Hardsigmoid(), nn.Sigmoid(), nn.Tanh(),
        nn.Softplus(), nn.LogSigmoid(), nn.Threshold(0, 0), nn.Hardshrink(), nn.Softshrink(),
    )),
    (nn.Softsign(), 3 * X),  # x / (1 + |x|)
    (nn.Tanhshrink(), 2 * X),  # x - tanh x
    (nn.GLU(1), X // 2),  # gates one half by the other
    (nn.Softmax(1), 5 * X),  # maximum, subtract, exponential, sum, divide
    (nn.LogSoftmax(1), 5 * X),
    (nn.Softmin(1), 6 * X),  # softmax of -x
    (nn.Dropout(), 0),
    (nn.Identity(), 0),
    (nn.Flatten(), 0),
    (nn.PixelShuffle(2), 0),
    (nn.ChannelShuffle(2), 0),
    (nn.ZeroPad2d(1), 0),
    (nn.Upsample(scale_factor=2), 0),  # nearest: copies
    (nn.Upsample(scale_factor=2, mode="bilinear"), 4 * 4 * X),  # 4X outputs read 4 neighbours
    (nn.Upsample(scale_factor=2, mode="bicubic"), 4 * 16 * X),
]  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "other_ops"), [pytest.param(*r, id=str(r[0])) for r in ELEMENTWISE]
)
def test_elementwise_layer(layer, other_ops):
    assert cost(layer, (2, 4, 8, 8)) == (0, other_ops)


# Pooling: one operation per element read.
POOLING = [
    (nn.MaxPool1d(2), (2, 4, 8), 2 * 4 * 4 * 2),
    (nn.AvgPool1d(3, 1), (2, 4, 8), 2 * 4 * 6 * 3),
    (nn.MaxPool2d(2), (2, 4, 8, 8), 2 * 4 * 4 * 4 * 4),
    (nn.MaxPool2d(3, 2, 1), (2, 4, 8, 8), 2 * 4 * 4 * 4 * 9),
    (nn.AvgPool2d((2, 4)), (2, 4, 8, 8), 2 * 4 * 4 * 2 * 8),
    (nn.AvgPool2d(2), (4, 8, 8), 4 * 4 * 4 * 4),  # without a batch dimension
    (nn.MaxPool3d(2), (1, 2, 8, 8, 8), 2 * 4 * 4 * 4 * 8),
    (nn.AvgPool3d(2), (1, 2, 8, 8, 8), 2 * 4 * 4 * 4 * 8),
    (nn.AdaptiveAvgPool2d(1), (2, 4, 8, 8), 2 * 4 * 8 * 8),
    (nn.AdaptiveAvgPool2d(2), (2, 4, 8, 8), 2 * 4 * 2 * 2 * 16),
    (nn.AdaptiveAvgPool2d(3), (2, 4, 8, 8), 2 * 4 * (3 + 4 + 3) * (3 + 4 + 3)),
    (nn.AdaptiveMaxPool1d(4), (2, 4, 7), 2 * 4 * (2 + 3 + 3 + 2)),
    (nn.AdaptiveAvgPool2d((None, 1)), (2, 4, 8, 8), 2 * 4 * 8 * 8),
    (nn.AdaptiveMaxPool2d(2), (2, 4, 8, 8), 2 * 4 * 2 * 2 * 16),
    (nn.AdaptiveAvgPool1d(2), (2, 4, 8), 2 * 4 * 2 * 4),
    (nn.AdaptiveAvgPool3d(2), (1, 2, 4, 4, 4), 2 * 2 * 2 * 2 * 8),
]


@pytest.mark.parametrize(("layer", "shape", "other_ops"), named(POOLING))
def test_pooling(layer, shape, other_ops):
    assert cost(layer, shape) == (0, other_ops)


@pytest.mark.parametrize("n", range(1, 13))
def test_an_adaptive_pool_reads_what_a_real_one_does(n):
    for m in range(1, 13):
        x = torch.randn(1, 1, n, 5)
        pool = nn.AdaptiveAvgPool2d((m, 3))
        read = torch.autograd.functional.jacobian(pool, x).count_nonzero()
        assert cost(pool, (1, 1, n, 5)) == (0, read.item()), (n, m)


ARITHMETIC = [
    ("+", lambda a, b: a + b, [(3, 4), (3, 4)], 12),
    ("+ broadcast", lambda a, b: a + b, [(3, 1), (1, 4)], 12),
    ("2 - x", lambda a: 2 - a, [(3, 4)], 12),
    ("**", lambda a: a**2, [(3, 4)], 12),
    ("-x", lambda a: -a, [(3, 4)], 12),
    ("clamp", lambda a: a.clamp(0, 1), [(3, 4)], 12),
    ("addcmul", lambda a, b: torch.addcmul(a, a, b), [(3, 4), (3, 4)], 2 * 12),
    ("maximum", torch.maximum, [(3, 4), (3, 4)], 12),
    ("sum", lambda a: a.sum(1), [(3, 4)], 12),  # a reduction reads its whole input
    ("mean", lambda a: a.mean(), [(3, 4)], 12),
    ("max", lambda a: a.max(1)[0], [(3, 4)], 12),
    ("norm", lambda a: a.norm(), [(3, 4)], 2 * 12),  # a square and a sum
    ("std", lambda a: a.std(), [(3, 4)], 3 * 12),  # and the mean
    ("cumsum", lambda a: a.cumsum(0), [(3, 4)], 12),
    (
        "solve_triangular",
        lambda a, b: torch.linalg.solve_triangular(a, b, upper=False),
        [(2, 3, 3), (2, 3, 5)],
        3 * (2 * 3 * 5),
    ),
    ("index_add", lambda a: a.index_add(1, torch.tensor([0, 2]), a[:, :2]), [(3, 4)], 3 * 2),
    ("mse_loss", lambda a, b: F.mse_loss(a, b), [(3, 4), (3, 4)], 3 * 12),
    ("nll_loss", lambda a: F.nll_loss(a, torch.zeros(3, dtype=torch.int64)), [(3, 4)], 3),
    ("where", lambda a: torch.where(a > 0, a, 0.0), [(3, 4)], 2 * 12),  # compare, choose
    ("fft", torch.fft.fft, ["3,8:complex64"], 3 * 5 * 8 * 3),  # 5·N·log₂N
    ("rfft", torch.fft.rfft, [(3, 8)], 3 * 5 * 8 * 3 // 2),
    ("irfft", torch.fft.irfft, ["3,5:complex64"], 3 * 5 * 8 * 3 // 2),
    ("getitem", lambda a: a[:, 1:], [(3, 4)], 0),
    ("cat", lambda a, b: torch.cat([a, b]), [(3, 4), (3, 4)], 0),
]


@pytest.mark.parametrize(
    ("function", "shapes", "other_ops"), [pytest.param(*a[1:], id=a[0]) for a in ARITHMETIC]
)
def test_arithmetic(function, shapes, other_ops):
    assert cost(function, *shapes) == (0, other_ops)


def test_embedding_is_a_look_up():
    assert cost(nn.Embedding(10, 4), "2,5:int64") == (0, 0)


def test_a_marker_for_the_profiler_costs_nothing():
    def forward(x):
        with torch.profiler.record_function("block1"):
            return x.relu()

    assert cost(forward, (3, 4)) == (0, 12)


# Operators without a rule


@torch.library.custom_op("cnnstat_test::halved", mutates_args=())
def halved(x: torch.Tensor) -> torch.Tensor:
    return x / 2


@halved.register_fake
def _(x):
    return torch.empty_like(x)


UNKNOWN = [
    # as many products as its accuracy takes, which depends on the values
    ("exponential", torch.linalg.matrix_exp, (4, 4), "aten.linalg_matrix_exp"),
    ("made up", halved, (3, 4), "cnnstat_test.halved"),
]


@pytest.mark.parametrize(
    ("function", "shape", "name"), [pytest.param(*u[1:], id=u[0]) for u in UNKNOWN]
)
def test_an_unknown_operator_is_named_and_makes_the_total_a_lower_bound(function, shape, name):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)
            self.unknown = Function(function)

        def forward(self, x):
            x = self.linear(x)
            self.unknown(x)
            return self.unknown(x)

    analysis = cnnstat.analyze(Model(), shape)
    assert analysis.totals.uncounted == {name: 2}  # it ran twice
    assert analysis.totals.exact is False
    assert analysis.totals.macs == shape[0] * 4 * 4  # what is known still counts
    exact = {layer.path: layer.exact for layer in analysis.layers if layer.kind == "function"}
    assert list(exact.values()) == [False] * len(exact)
    assert {layer.path: layer.exact for layer in analysis.layers}["linear"] is True


# The registry


def test_a_duplicate_rule_is_refused():
    with pytest.raises(ValueError, match=r"aten\.addmm is registered twice"):
        registry.rule("aten.addmm")(lambda op: Cost())
    with pytest.raises(ValueError, match=r"aten\.view is registered twice"):
        registry.rule("aten.view")(lambda op: Cost())  # free already
    with pytest.raises(ValueError, match=r"aten\.addmm is registered twice"):
        registry.free("does nothing", "aten.addmm")


def test_every_file_of_rules_is_imported():
    # A file that `operators/__init__.py` forgets would leave its operators uncounted.
    for module in pkgutil.iter_modules(operators.__path__):
        before = len(registry.DEFINITIONS)
        importlib.import_module(f"cnnstat.operators.{module.name}")
        assert len(registry.DEFINITIONS) == before


# torchvision's, transformers' and those of some layers exist only where these are imported;
# test_onnx.py looks at ONNX's.
REGISTERED = sorted(
    name
    for name in registry.DEFINITIONS
    if not name.startswith(("torchvision.", "transformers.", "torch_nn.", "onnx.", "cnnstat."))
)


@pytest.mark.parametrize("name", REGISTERED)
def test_every_registered_operator_exists_in_torch(name):
    namespace, operator = name.split(".")
    assert hasattr(getattr(torch.ops, namespace), operator), f"a rule for {name}, never used"


def test_a_free_operator_gives_its_reason():
    assert reason_free("aten.view") == "layout only: a view, no data moves"
    assert reason_free("aten.copy_") == reason_free("aten.copy")  # in place
    assert reason_free("aten.addmm") is None
    assert reason_free("aten.linalg_matrix_exp") is None
    free = [d for d in registry.DEFINITIONS.values() if d.rule is None and d.view is None]
    assert all(d.reason_free or d.reason_uncounted for d in free)


FREE = sorted(name for name, d in registry.DEFINITIONS.items() if d.reason_free)


@pytest.mark.parametrize("name", FREE)
def test_a_free_operator_says_in_traits_what_it_does(name):
    assert traits_of(name) is not Trait.NONE


def test_what_is_taken_at_its_largest_has_a_size_by_values():
    for name in meta_rules.LARGEST:
        operator = name.partition(".")[0].replace("::", ".")  # of an index only a mask
        assert operator == "aten.index" or Trait.VALUE_SIZED in traits_of(operator), name


def test_traits_agree_with_names():
    for name in registry.DEFINITIONS:
        assert ("_backward" in name) <= (Trait.BACKWARD in traits_of(name)), name


TRAITS = [
    ("aten.add_", Trait.ELEMENTWISE),  # in place
    ("aten.glu", Trait.NONE),  # its gate is elsewhere
    ("aten.sum", Trait.REDUCTION),
    ("aten.native_layer_norm", Trait.NORM),
    ("aten.detach", Trait.LAYOUT | Trait.ELEMENTWISE),
    ("aten.cat", Trait.COPIES),
    ("aten.empty_like", Trait.CREATES | Trait.UNWRITTEN | Trait.ELEMENTWISE),
    ("aten.copy_", Trait.COPIES | Trait.ELEMENTWISE | Trait.OVERWRITES),
    ("aten.index_copy_", Trait.PLACES),
    ("onnx.Shape", Trait.QUERY),
    ("aten.unheard_of", Trait.NONE),
]


@pytest.mark.parametrize(("name", "traits"), TRAITS, ids=[row[0] for row in TRAITS])
def test_traits(name, traits):
    assert traits_of(name) == traits


# Forms that only a device gives: the record is written by hand, as the recorder would.


def tensor(*shape):
    return TensorSpec(0, shape, "float32", 4)


def op(name, *args, out, overload="default"):
    outputs = out if isinstance(out, list) else [out]
    return Op(f"aten.{name}", overload, args, {}, tuple(outputs), 0, 0)


QKV = (tensor(2, 4, 5, 8), tensor(2, 4, 7, 8), tensor(2, 4, 7, 6))
SCORES = 2 * 4 * 5 * 7
CONV = (tensor(2, 3, 9, 9), tensor(8, 3, 3, 3))  # → 2×8×7×7
CONV_MACS = 2 * 7 * 7 * 8 * 3 * 9
CONV_BIAS = 2 * 8 * 7 * 7
DEPTHWISE = (tensor(1, 16, 10, 10), tensor(16, 1, 3, 3))  # → 1×16×8×8
TRANSPOSED = (tensor(1, 4, 5, 5), tensor(4, 6, 3, 3))  # → 1×6×7×7

ON_A_DEVICE = [
    *(
        (op(name, *QKV, 0.0, False, out=tensor(2, 4, 5, 6)), SCORES * (8 + 6), 5 * SCORES)
        for name in (
            "_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_cudnn_attention", "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_attention_math", "scaled_dot_product_attention",
        )
    ),
    # grouped queries: 8 query heads, 2 of keys and values
    (op("_scaled_dot_product_flash_attention", tensor(1, 8, 5, 16), tensor(1, 2, 7, 16),
        tensor(1, 2, 7, 16), out=tensor(1, 8, 5, 16)), 8 * 5 * 7 * (16 + 16), 5 * 8 * 5 * 7),
    (op("cudnn_convolution", *CONV, (0, 0), (1, 1), (1, 1), 1, False, False, False,
        out=tensor(2, 8, 7, 7)), CONV_MACS, 0),
    (op("mkldnn_convolution", *CONV, tensor(8), (0, 0), (1, 1), (1, 1), 1,
        out=tensor(2, 8, 7, 7)), CONV_MACS, CONV_BIAS),
    (op("mkldnn_convolution", *CONV, None, (0, 0), (1, 1), (1, 1), 1,
        out=tensor(2, 8, 7, 7)), CONV_MACS, 0),
    (op("_slow_conv2d_forward", *CONV, (3, 3), tensor(8), (1, 1), (0, 0),
        out=tensor(2, 8, 7, 7)), CONV_MACS, CONV_BIAS),
    (op("_conv_depthwise2d", *DEPTHWISE, (3, 3), None, (1, 1), (0, 0), (1, 1),
        out=tensor(1, 16, 8, 8)), 8 * 8 * 16 * 1 * 9, 0),
    (op("cudnn_convolution_transpose", *TRANSPOSED, (0, 0), (0, 0), (1, 1), (1, 1), 1, False,
        False, False, out=tensor(1, 6, 7, 7)), 5 * 5 * 4 * 6 * 9, 0),
    (op("_convolution", *CONV, None, (1, 1), (0, 0), (1, 1), False, (0, 0), 1, False, False,
        False, False, out=tensor(2, 8, 7, 7)), CONV_MACS, 0),
    (op("_convolution", *TRANSPOSED, tensor(6), (1, 1), (0, 0), (1, 1), True, (0, 0), 1, False,
        False, False, False, out=tensor(1, 6, 7, 7)), 5 * 5 * 4 * 6 * 9, 6 * 7 * 7),
    (op("linear", tensor(2, 3, 4), tensor(5, 4), tensor(5), out=tensor(2, 3, 5)),
     2 * 3 * 4 * 5, 2 * 3 * 5),
    (op("linear", tensor(2, 3, 4), tensor(5, 4), None, out=tensor(2, 3, 5)), 2 * 3 * 4 * 5, 0),
    (op("mkldnn_linear", tensor(2, 4), tensor(5, 4), tensor(5), out=tensor(2, 5)),
     2 * 4 * 5, 2 * 5),
    (op("_addmm_activation", tensor(5), tensor(2, 3), tensor(3, 5), out=tensor(2, 5)),
     2 * 3 * 5, 2 * 5),
    (op("conv_tbc", tensor(7, 2, 4), tensor(3, 4, 6), tensor(6), 0, out=tensor(5, 2, 6)),
     5 * 2 * 3 * 4 * 6, 5 * 2 * 6),
    (op("cudnn_batch_norm", tensor(2, 4, 8, 8), tensor(4), tensor(4), tensor(4), tensor(4), True,
        0.1, 1e-5, out=tensor(2, 4, 8, 8)), 0, 5 * X),
    (op("_native_batch_norm_legit_no_training", tensor(2, 4, 8, 8), tensor(4), tensor(4),
        tensor(4), tensor(4), 0.1, 1e-5, out=tensor(2, 4, 8, 8)), 0, 2 * X),
    (op("_native_batch_norm_legit", tensor(2, 4, 8, 8), None, None, True, 0.1, 1e-5,
        overload="no_stats", out=tensor(2, 4, 8, 8)), 0, 4 * X),
    (op("_fused_rms_norm", tensor(2, 4, 8, 8), (8,), tensor(8), 1e-5,
        out=tensor(2, 4, 8, 8)), 0, 5 * X),
]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "macs", "other_ops"),
    [pytest.param(*row, id=f"{row[0].name}-{i}") for i, row in enumerate(ON_A_DEVICE)],
)
def test_rule_on_a_device(record, macs, other_ops):
    assert cost_of(record) == Cost(macs, other_ops)


@pytest.mark.parametrize("record", [row[0] for row in ON_A_DEVICE], ids=lambda op: op.name)
def test_terms_add_up_to_the_cost(record):
    found = cost_of(record)
    assert sum(term.count for term in found.operations) == found.other_ops
    assert sum(term.count for term in found.products) in (0, found.macs)


def test_one_step_of_a_fused_lstm_layer():
    # T=5, N=2, i=8, h=16: the gates 4h×(i + h) per step, as in the unrolled form above
    record = op(
        "mkldnn_rnn_layer", tensor(5, 2, 8), tensor(64, 8), tensor(64, 16), tensor(64), tensor(64),
        tensor(2, 16), tensor(2, 16), False, (), 2, 16, 1, True, False, False, False,
        out=[tensor(5, 2, 16)],
    )  # fmt: skip
    assert cost_of(record).macs == 5 * 2 * 4 * 16 * (8 + 16)
    assert cost_of(record).other_ops == cost(nn.LSTM(8, 16), (5, 2, 8))[1]


def test_an_unregistered_operator_has_no_cost():
    assert cost_of(op("not_an_operator", tensor(3), out=tensor(3))) is None


# torch's own counter, which knows 2 flops per MAC, on the same models


class Small(nn.Module):
    """One of each kind of product."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 7, stride=2, padding=3)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.up = nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.linear = nn.Linear(8, 10)

    def forward(self, x):
        x = self.up(self.depthwise(self.stem(x)).relu())
        x = x.flatten(2).transpose(1, 2)
        x = self.attention(x, x, x)[0]
        return self.linear(x.mean(1))


AGAINST_TORCH = [
    ("small", Small, (2, 3, 16, 16)),
    ("resnet18", "resnet18", (2, 3, 64, 64)),
    ("googlenet", "googlenet", (1, 3, 224, 224)),
    ("encoder", lambda: nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), (2, 9, 32)),
    ("lstm", lambda: nn.LSTM(8, 16, 2, bidirectional=True), (5, 2, 8)),
]


@pytest.mark.parametrize(
    ("build", "shape"), [pytest.param(*row[1:], id=row[0]) for row in AGAINST_TORCH]
)
def test_agrees_with_torch_flop_counter(build, shape):
    if isinstance(build, str):
        from cnnstat.models.zoo.catalog import CATALOG

        build = CATALOG[build].load()
    with torch.device("meta"):
        model, x = build().eval(), torch.empty(shape)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        # Train mode keeps attention out of its fused form, which torch's counter does not know.
        model.train()(x) if isinstance(model, nn.TransformerEncoderLayer) else model(x)
    assert cnnstat.analyze(model, shape).totals.flops == counter.get_total_flops()
