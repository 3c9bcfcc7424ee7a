"""What functions cost that are no layers: losses, searches, bits, factorisations, packing."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import cnnstat
from cnnstat.analysis.totals import bounds
from tests.networks import Function

ROW = torch.rand(2, 5, generator=torch.Generator().manual_seed(0))
MAP = torch.zeros(2, 4, 8, 8)
SQUARE = torch.eye(6).expand(3, 6, 6).clone()  # a batch of 3 matrices
TALL = torch.eye(6)[:, :4].clone()
CLASS = torch.tensor([1, 2])
TOKENS = torch.zeros(2, 7, dtype=torch.int64)
TABLE = torch.zeros(9, 3)
COUNTS = torch.zeros(2, 5, dtype=torch.int64)

# name: (function, its tensors, MACs, other operations)
FACTS = {
    # sampling and bags
    "fractional pool": (lambda x: F.fractional_max_pool2d(x, 2, 3), [MAP], 0, 2 * 4 * 3 * 3 * 4),
    "unpooling": (lambda x: F.max_unpool2d(x, torch.zeros(2, 4, 8, 8, dtype=torch.int64,
                                                          device=x.device), 2), [MAP], 0, 0),
    "affine grid": (lambda t: F.affine_grid(t, (2, 3, 8, 8), align_corners=True),
                    [torch.zeros(2, 2, 3)], 2 * 8 * 8 * 2 * 3, 0),
    "bag, sum": (lambda i, w: F.embedding_bag(i, w, mode="sum"), [TOKENS, TABLE], 0, 2 * 7 * 3),
    "bag, mean": (F.embedding_bag, [TOKENS, TABLE], 0, 2 * 7 * 3 + 2 * 3),
    "bag, weighted": (
        lambda i, w, p: F.embedding_bag(i, w, mode="sum", per_sample_weights=p),
        [TOKENS, TABLE, torch.zeros(2, 7)], 0, 2 * 2 * 7 * 3,
    ),
    # products of integers and of 8-bit floating-point numbers, with packed weights
    "int8": (torch._int_mm, [torch.zeros(32, 16, dtype=torch.int8),
                             torch.zeros(16, 8, dtype=torch.int8)], 32 * 16 * 8, 0),
    "float8": (
        lambda a, b, one: torch._scaled_mm(a, b.t(), one, one, out_dtype=torch.bfloat16),
        [torch.zeros(16, 32).to(torch.float8_e4m3fn), torch.zeros(48, 32).to(torch.float8_e4m3fn),
         torch.ones(())], 16 * 32 * 48, 0,
    ),
    "int8 weights": (
        torch._weight_int8pack_mm,
        [torch.zeros(4, 32).bfloat16(), torch.zeros(48, 32, dtype=torch.int8),
         torch.zeros(48).bfloat16()], 4 * 32 * 48, 0,
    ),
    # of two batches of matrices, and of one matrix whose rows are divided into 3 groups
    "grouped": (torch._grouped_mm, [torch.zeros(3, 16, 8).bfloat16(),
                                    torch.zeros(3, 8, 16).bfloat16()], 3 * 16 * 8 * 16, 0),
    "rows in groups": (
        lambda a, b, ends: torch._grouped_mm(a, b, offs=ends),
        [torch.zeros(16, 8).bfloat16(), torch.zeros(3, 8, 16).bfloat16(),
         torch.tensor([4, 8, 16], dtype=torch.int32)], 16 * 8 * 16, 0,
    ),
    "gradient of groups": (
        lambda a, b, ends: torch._grouped_mm(a, b, offs=ends),
        [torch.zeros(16, 24).bfloat16(), torch.zeros(24, 16).bfloat16(),
         torch.tensor([8, 16, 24], dtype=torch.int32)], 16 * 24 * 16, 0,
    ),
    # losses
    "smooth l1": (F.smooth_l1_loss, [ROW, ROW.clone()], 0, 5 * 10),
    "huber": (F.huber_loss, [ROW, ROW.clone()], 0, 5 * 10),
    "bce": (F.binary_cross_entropy, [ROW, ROW.clone()], 0, 8 * 10),
    "bce of logits": (F.binary_cross_entropy_with_logits, [ROW, ROW.clone()], 0, 7 * 10),
    "soft margin": (F.soft_margin_loss, [ROW, ROW.clone()], 0, 4 * 10),
    "multi margin": (F.multi_margin_loss, [ROW, CLASS], 0, 4 * 10),
    "linear cross-entropy": (
        lambda x, w, t: torch.nn.functional.cross_entropy(F.linear(x, w), t),
        [ROW, torch.zeros(7, 5), CLASS], 2 * 5 * 7, 5 * 2 * 7 + 2,
    ),
    # one operation per element
    "logit": (torch.logit, [ROW], 0, 10),
    "logaddexp": (torch.logaddexp, [ROW, ROW.clone()], 0, 10),
    "xlogy": (torch.xlogy, [ROW, ROW.clone()], 0, 10),
    "shift": (lambda c: c >> 1, [COUNTS], 0, 10),
    "left shift": (lambda c: c << 1, [COUNTS], 0, 10),
    "gamma": (torch.lgamma, [ROW], 0, 10),
    "bessel": (torch.special.bessel_j0, [ROW], 0, 10),
    # each index is compared with each class; laying the result out anew runs no other operator
    "one-hot": (lambda i: F.one_hot(i, 6), [COUNTS], 0, 10 * 6),
    # parts of complex numbers: real and imaginary, or magnitude and angle
    "complex": (torch.complex, [ROW, ROW.clone()], 0, 0),
    "polar": (torch.polar, [ROW, ROW.clone()], 0, 4 * 10),
    # along axes
    "aminmax": (lambda x: torch.aminmax(x), [ROW], 0, 2 * 10),
    "cummax": (lambda x: torch.cummax(x, 1), [ROW], 0, 10),
    "logcumsumexp": (lambda x: torch.logcumsumexp(x, 1), [ROW], 0, 10),
    "trace": (torch.trace, [ROW], 0, 2),
    "cross": (torch.linalg.cross, [torch.zeros(4, 3), torch.ones(4, 3)], 0, 3 * 12),
    "segments": (
        lambda x, n: torch.segment_reduce(x, "sum", lengths=n),
        [torch.zeros(9), torch.tensor([4, 5])], 0, 9,
    ),
    "histogram": (lambda x: torch.histogram(x, 4), [ROW], 0, 10),
    "scatter_reduce": (
        lambda x, c: x.scatter_reduce(1, c, x + 1, "amax"), [ROW, COUNTS], 0, 10 + 10
    ),
    "rot90": (torch.rot90, [ROW], 0, 0),
    "masked_scatter": (lambda x: x.masked_scatter(x > 0, x), [ROW], 0, 10),
    # distances, and the pairs of rows of one matrix: a MAC for each difference and its square
    "cdist": (torch.cdist, [ROW, torch.zeros(3, 5)], 2 * 3 * 5, 2 * 3 * 6),
    # from 26 rows on, torch.cdist runs another operator
    **{f"cdist of {n} rows": (torch.cdist, [torch.zeros(n, 6), torch.zeros(n, 6)], n * n * 6,
                              n * n * 7) for n in (25, 26)},
    "pdist": (F.pdist, [torch.zeros(4, 5)], 6 * 5, 6 * 6),
    # factorisations of n×n matrices, here 6×6
    "cholesky": (torch.linalg.cholesky_ex, [SQUARE], 0, 3 * 6**3 // 3),
    "lu": (torch.linalg.lu_factor_ex, [TALL], 0, int(6 * 4**2 - 4**3 / 3)),
    "det": (torch.linalg.det, [SQUARE], 0, 3 * 2 * 6**3 // 3),
    "inverse": (torch.linalg.inv_ex, [SQUARE], 0, 3 * 2 * 6**3),
    "solve": (torch.linalg.solve_ex, [SQUARE, torch.zeros(3, 6, 2)], 0,
              3 * (2 * 6**3 // 3 + 2 * 6 * 6 * 2)),
    "triangular": (
        lambda a, b: torch.linalg.solve_triangular(a, b, upper=True),
        [SQUARE, torch.zeros(3, 6, 2)], 0, 3 * 6 * 6 * 2,
    ),
    "qr": (torch.linalg.qr, [TALL], 0, 2 * int(2 * 6 * 4**2 - 2 * 4**3 / 3)),
    "r": (lambda a: torch.linalg.qr(a, mode="r"), [TALL], 0, int(2 * 6 * 4**2 - 2 * 4**3 / 3)),
    "eigenvalues": (torch.linalg.eigvalsh, [SQUARE], 0, 0),  # an iteration
    "svd": (torch.linalg.svdvals, [SQUARE], 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", FACTS)
def test_cost(name):
    function, tensors, macs, other_ops = FACTS[name]
    totals = cnnstat.analyze(Function(function), *tensors).totals
    assert totals.exact, totals.uncounted
    assert (totals.macs, totals.other_ops) == (macs, other_ops)


OPEN = {
    "svd": (torch.linalg.svdvals, [SQUARE], "aten._linalg_svd", "number of steps"),
    "eigenvalues": (torch.linalg.eigvalsh, [SQUARE], "aten._linalg_eigh", "number of steps"),
    "pairs": (F.multilabel_margin_loss, [ROW, COUNTS], "aten.multilabel_margin_loss_forward",
              "target classes of each row"),
}  # fmt: skip


@pytest.mark.parametrize("name", OPEN)
def test_operations_that_values_decide_are_named(name):
    function, tensors, operator, reason = OPEN[name]
    analysis = cnnstat.analyze(Function(function), *tensors)
    assert analysis.totals.exact  # of its MACs
    (note,) = analysis.notes
    assert note.startswith(f"other operations do not include {operator} (1×): ")
    assert reason in note


NUMBER = torch.tensor(2.0)
ON_A_NUMBER = {
    "sum": lambda x: x.sum(0), "mean": lambda x: x.mean(-1), "softmax": lambda x: x.softmax(0),
    "cumsum": lambda x: x.cumsum(0), "max": lambda x: x.max(0), "topk": lambda x: x.topk(1),
    "sort": lambda x: x.sort(0)[0], "norm": lambda x: torch.norm(x, dim=0),
    "logsumexp": lambda x: x.logsumexp(-1), "flip": lambda x: x.flip(0),
    "expand": lambda x: x.expand(2, 3), "gather": lambda x: x.unsqueeze(0) + x,
}  # fmt: skip


@pytest.mark.parametrize("name", ON_A_NUMBER)
def test_a_number_has_the_axis_0(name):
    model = Function(ON_A_NUMBER[name])
    analysis = cnnstat.analyze(model, NUMBER)
    out = model(NUMBER)
    outputs = out if isinstance(out, tuple) else (out,)
    assert analysis.layers[0].outputs == tuple(tuple(y.shape) for y in outputs)


def test_a_total_without_products_that_values_decide_says_why():
    analysis = cnnstat.analyze(Function(torch.linalg.matrix_exp), SQUARE)
    (sentence,) = bounds(analysis)
    assert sentence == (
        "the totals are lower bounds: aten.linalg_matrix_exp (1×) is not counted: the norm of "
        "each matrix decides how many products it takes"
    )


def test_counts_of_values_need_the_values():
    analysis = cnnstat.analyze(Function(lambda c: torch.bincount(c.flatten())), COUNTS)
    assert (analysis.lane, analysis.totals.other_ops) == ("cpu", 10)
    assert analysis.totals.uncounted == {}


class Packed(nn.Module):
    """An LSTM on sequences of 7, 3 and 1 steps, padded to 7."""

    def __init__(self, lengths=(7, 3, 1), enforce_sorted=True):
        super().__init__()
        self.rnn = nn.LSTM(4, 6, batch_first=True)
        self.lengths, self.sorted = lengths, enforce_sorted

    def forward(self, x, lengths=None):
        lengths = torch.tensor(self.lengths) if lengths is None else lengths
        packed = pack_padded_sequence(x, lengths, True, self.sorted)
        return pad_packed_sequence(self.rnn(packed)[0], batch_first=True)[0]


@pytest.mark.parametrize("lane", ["meta", "cpu"])
@pytest.mark.parametrize("model", [Packed(), Packed((3, 1, 7), False)], ids=["sorted", "unsorted"])
def test_padding_of_a_packed_sequence_costs_nothing(model, lane):
    analysis = cnnstat.analyze(model, (3, 7, 4), lane=lane)
    steps = 7 + 3 + 1
    assert analysis.totals.macs == steps * 4 * 6 * (4 + 6)
    assert analysis.totals.exact
    assert analysis.layers[0].outputs == ((3, 7, 6),)
    assert analysis.totals.depth == 1


def test_lengths_that_are_inputs_are_read():
    analysis = cnnstat.analyze(Packed(), torch.zeros(3, 7, 4), torch.tensor([7, 3, 1]))
    assert analysis.lane == "cpu"
    assert analysis.totals.macs == 11 * 4 * 6 * (4 + 6)
    assert not analysis.totals.exact  # it depends on them


def test_lengths_that_do_not_fit():
    with pytest.raises(cnnstat.ModelError, match="pack_padded_sequence"):
        cnnstat.analyze(Packed((7, 3)), (3, 7, 4))


def test_memory_of_a_packed_sequence():
    assert cnnstat.memory(Packed(), (3, 7, 4)).peak_bytes > 0


ONE = torch.ones(2, 5, requires_grad=True)
GRADIENTS = {
    "smooth l1": (F.smooth_l1_loss, [ONE, ROW], 0, 4 * 10),
    "huber": (F.huber_loss, [ONE, ROW], 0, 4 * 10),
    "bce": (F.binary_cross_entropy, [ONE, ROW], 0, 5 * 10),
    "soft margin": (F.soft_margin_loss, [ONE, ROW], 0, 5 * 10),
    "multi margin": (F.multi_margin_loss, [ONE, CLASS], 0, 3 * 10),
    "bag": (lambda i, w: F.embedding_bag(i, w, mode="sum"),
            [TOKENS, torch.ones(9, 3, requires_grad=True)], 0, 2 * 7 * 3),
    "unpooling": (lambda x: F.max_unpool2d(x, torch.zeros(1, 2, 2, dtype=torch.int64,
                                                          device=x.device), 2),
                  [torch.ones(1, 2, 2, requires_grad=True)], 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_cost_of_gradients(name):
    function, tensors, macs, other_ops = GRADIENTS[name]
    totals = cnnstat.analyze(Function(function), *tensors, training=True).totals
    assert totals.backward_uncounted == {}
    assert (totals.backward_macs, totals.backward_other_ops) == (macs, other_ops)


def test_an_empty_tensor_has_no_receptive_field():
    analysis = cnnstat.analyze(
        Function(lambda x: F.adaptive_avg_pool1d(x, 3)), torch.zeros(0, 2, 4)
    )
    assert analysis.layers[0].outputs == ((0, 2, 3),)
