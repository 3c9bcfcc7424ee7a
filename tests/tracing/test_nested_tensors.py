"""Nested tensors: counts and bytes are those of the actual lengths, shapes those of the longest
row, and what torch cannot do is its own error."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import cnnstat
from cnnstat.errors import LaneError, ModelError
from tests.networks import Function, With

JAGGED = torch.jagged
pytestmark = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")


def rows(x, layout=JAGGED):
    """Rows of 3 and 7."""
    return torch.nested.as_nested_tensor([x[:3], x[3:]], layout=layout)


def strided(x):
    return rows(x, torch.strided)


def heads(nested):
    return nested.unflatten(-1, (2, 8)).transpose(1, 2)


def attention(q, k, v, **settings):
    return F.scaled_dot_product_attention(q, k, v, **settings).transpose(1, 2)


def parts(linear, x):
    return [heads(part) for part in linear(rows(x)).chunk(3, -1)]


def other_rows(x):
    return torch.nested.nested_tensor([x[:5], x[5:]], layout=JAGGED)


def packed_heads(linear, x):
    return linear(strided(x)).reshape(2, -1, 2, 8).transpose(1, 2).contiguous()


LINEAR = 10 * 16 * 16
SCORES = 2 * 8 * (3 * 3 + 7 * 7)  # heads · features · pairs; another one for the values
LAYER = 4 * LINEAR + 2 * SCORES + 2 * 10 * 16 * 32
LINEAR_PARTS = 10 * 16 * 48
FORMS = {
    "padded": (nn.Linear(16, 16), lambda m, x: m(rows(x)).to_padded_tensor(0.0), LINEAR,
               [(2, 7, 16)]),
    "packed": (nn.Linear(16, 16), lambda m, x: (m(rows(x)).values(), rows(x).offsets()), LINEAR,
               [(10, 16), (3,)]),
    "unbound": (nn.Linear(16, 16), lambda m, x: [F.gelu(t) for t in m(rows(x)).unbind()], LINEAR,
                [(3, 16), (7, 16)]),
    "returned": (nn.Linear(16, 16), lambda m, x: m(rows(x)), LINEAR, [(2, 7, 16)]),
    "norm": (nn.LayerNorm(16), lambda m, x: m(rows(x)).sum(1), 0, [(2, 16)]),
    "joined": (nn.Linear(32, 16), lambda m, x: m(torch.cat([rows(x)] * 2, -1)), 2 * LINEAR,
               [(2, 7, 16)]) ,
    "of offsets": (
        nn.Linear(16, 16),
        lambda m, x: m(torch.nested.nested_tensor_from_jagged(x, torch.tensor([0, 4, 9, 10]))),
        LINEAR, [(3, 5, 16)],
    ),
    "narrowed": (
        nn.Linear(16, 16),
        lambda m, x: m(torch.nested.narrow(
            x.repeat(2, 1, 1), 1, torch.tensor([0, 2]), torch.tensor([3, 5]), layout=JAGGED
        ).contiguous()),
        8 * 16 * 16, [(2, 5, 16)],
    ),
    "attention": (nn.Linear(16, 48), lambda m, x: attention(*parts(m, x)).flatten(2),
                  LINEAR_PARTS + 2 * SCORES, [(2, 7, 16)]),
    "causal attention": (nn.Linear(16, 48), lambda m, x: attention(*parts(m, x), is_causal=True),
                         LINEAR_PARTS + 2 * SCORES, [(2, 7, 2, 8)]),
    "cross attention": (
        nn.Linear(16, 16),
        lambda m, x: attention(heads(m(rows(x))), *[heads(m(other_rows(x)))] * 2),
        2 * LINEAR + 2 * 2 * 8 * (3 * 5 + 7 * 5), [(2, 7, 2, 8)],
    ),
    "strided": (nn.Linear(16, 16), lambda m, x: m(strided(x)).to_padded_tensor(0.0), LINEAR,
                [(2, 7, 16)]),
    "strided attention": (
        nn.Linear(16, 16), lambda m, x: attention(*[packed_heads(m, x)] * 3),
        LINEAR + 2 * SCORES, [(2, 7, 2, 8)],
    ),
    "strided products": (
        nn.Linear(16, 16), lambda m, x: torch.bmm(strided(x), m.weight.repeat(2, 1, 1)), LINEAR,
        [(2, 7, 16)],
    ),
    "encoder layer": (nn.TransformerEncoderLayer(16, 2, 32, batch_first=True),
                      lambda m, x: m(strided(x)), LAYER, [(2, 7, 16)]),
    "images": (
        nn.Conv2d(1, 4, 3),
        lambda m, x: torch.nested.as_nested_tensor([m(x[None, :5]), m(x[None, :7, :9])]),
        (3 * 14 + 5 * 7) * 4 * 9, [(2, 4, 5, 14)],
    ),
}  # fmt: skip


def model(name):
    layer, forward, *_ = FORMS[name]
    return With(lambda self, x: forward(self.layer, x), layer=layer)


@pytest.mark.parametrize("name", FORMS)
def test_counts_are_those_of_the_actual_lengths(name):
    *_, macs, outputs = FORMS[name]
    analysis = cnnstat.analyze(model(name), (10, 16))
    assert (analysis.totals.macs, list(analysis.layers[0].outputs)) == (macs, outputs)
    assert analysis.totals.exact
    assert analysis.lane == "cpu"
    assert any("those of the actual lengths" in note for note in analysis.notes)


def test_bytes_are_those_of_the_rows():
    layer = cnnstat.analyze(model("returned"), (10, 16)).layers[-1]
    assert (layer.outputs, layer.activation_bytes) == (((2, 7, 16),), 10 * 16 * 4)
    steps = cnnstat.explain(model("returned"), "layer", (10, 16))
    assert "160 · 4 = 640" in str(steps)


# A gradient for the weight alone in the first layer; in an attention five products, of which one
# computes the scores again, or four where they are saved.
@pytest.mark.parametrize(
    ("name", "macs"),
    [
        ("returned", LINEAR),
        ("attention", LINEAR_PARTS + 5 * SCORES),
        ("causal attention", LINEAR_PARTS + 5 * SCORES),
        ("strided", LINEAR),
        ("strided attention", LINEAR + 4 * SCORES),
    ],
)
def test_backward(name, macs):
    totals = cnnstat.analyze(model(name), (10, 16), training=True).totals
    assert (totals.backward_macs, totals.backward_uncounted) == (macs, {})


def test_results_of_attention_by_rows_are_those_of_torch():
    q = heads(rows(torch.rand(10, 16)))
    found = []

    def forward(x):
        found.append(F.scaled_dot_product_attention(q, q, q).values())
        return x

    cnnstat.analyze(Function(forward), (1,), lane="cpu")
    torch.testing.assert_close(found[0], F.scaled_dot_product_attention(q, q, q).values())


def test_an_input_may_be_nested():
    for layout in (JAGGED, torch.strided):
        nested = rows(torch.rand(10, 16), layout)
        analysis = cnnstat.analyze(nn.Linear(16, 4), nested)
        assert (analysis.totals.macs, analysis.inputs[0].shape) == (10 * 16 * 4, (2, 7, 16))


def test_lengths_that_are_values_are_not_exact():
    def forward(self, x):
        count = (x.sum(-1) > 8).sum()
        offsets = torch.stack([count * 0, count, count * 0 + 10])
        q = heads(self.layer(torch.nested.nested_tensor_from_jagged(x, offsets)))
        return attention(q, q, q)

    analysis = cnnstat.analyze(With(forward, layer=nn.Linear(16, 16)), (10, 16))
    assert not analysis.totals.exact


def test_without_data_there_are_no_lengths():
    with pytest.raises(LaneError, match="uses nested tensors"):
        cnnstat.analyze(model("returned"), (10, 16), lane="meta")


def test_what_torch_refuses_is_its_own_error():
    def forward(self, x):
        q = self.layer(strided(x)).reshape(2, -1, 2, 8).transpose(1, 2)  # not contiguous
        return attention(q, q, q)

    with pytest.raises(ModelError, match="they must be contiguous"):
        cnnstat.analyze(With(forward, layer=nn.Linear(16, 16)), (10, 16))


def test_lint_finds_no_fault_in_torch_itself():
    found = cnnstat.lint(model("attention"), (10, 16)).findings
    assert not found
