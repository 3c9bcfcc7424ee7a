"""The backward pass: what autograd runs, counted, and credited to the layer whose gradients it is.

The convention: each product of the forward pass has, in the backward pass, one product for the
gradient of each operand that wants one, with as many MACs. So a layer costs forward × (1 for its
weight, if trained, + 1 for its input, if anything trained lies before it).
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

import cnnstat
from cnnstat.cli.main import run
from cnnstat.errors import ModelError, ShapeError, UsageError
from cnnstat.operators.costs import Cost
from cnnstat.operators.registry import cost_of
from cnnstat.render import Options, render
from cnnstat.trace.records import Op, TensorSpec
from cnnstat.tracing.recording import backward
from cnnstat.tracing.run.copies import meta_copy
from tests.networks import With


def wanting(*shape):
    """An input whose gradient is wanted, as behind another layer."""
    return torch.empty(shape, requires_grad=True)


def trained(model, *inputs, **options):
    return cnnstat.analyze(model, *inputs, training=True, **options)


def by_row(analysis):
    """{row: backward MACs} of the rows that have any, with #2 for the second call of a path."""
    return {r.path + r.repetition: r.backward_macs for r in analysis.layers if r.backward_macs}


def frozen(module):
    return module.requires_grad_(False)


# One layer: forward MACs × (weight + input). The input's gradient is wanted only where said.

LINEAR = 2 * 4 * 5
CONV = 8 * 8 * 6 * 4 * 3 * 3
LAYERS = [
    (nn.Linear(4, 5), (2, 4), LINEAR),
    (nn.Linear(4, 5), wanting(2, 4), 2 * LINEAR),
    (frozen(nn.Linear(4, 5)), wanting(2, 4), LINEAR),
    (nn.Linear(4, 5), wanting(4), 2 * 4 * 5),  # one example: outer products
    (nn.Linear(4, 5), wanting(2, 3, 4), 2 * 3 * LINEAR),  # at three positions
    (nn.Conv2d(4, 6, 3), (1, 4, 10, 10), CONV),
    (nn.Conv2d(4, 6, 3), wanting(1, 4, 10, 10), 2 * CONV),
    (frozen(nn.Conv2d(4, 6, 3)), wanting(1, 4, 10, 10), CONV),
    (nn.Conv2d(4, 6, 3), wanting(4, 10, 10), 2 * CONV),  # without a batch
    (nn.Conv2d(4, 6, 3, stride=2, padding=1), wanting(1, 4, 10, 10), 2 * 25 * 6 * 4 * 9),
    (nn.Conv2d(4, 6, 3, dilation=2), wanting(1, 4, 10, 10), 2 * 36 * 6 * 4 * 9),
    (nn.Conv2d(16, 32, 3, groups=4), wanting(1, 16, 10, 10), 2 * 64 * 32 * (16 // 4) * 9),
    (nn.Conv2d(16, 16, 3, groups=16), wanting(1, 16, 10, 10), 2 * 64 * 16 * 9),  # depthwise
    (nn.Conv1d(3, 4, 3), wanting(2, 3, 9), 2 * 2 * 7 * 4 * 3 * 3),
    (nn.Conv3d(2, 4, 3), wanting(1, 2, 5, 6, 7), 2 * 3 * 4 * 5 * 4 * 2 * 27),
    (nn.ConvTranspose2d(4, 6, 3, stride=2), wanting(1, 4, 5, 5), 2 * 25 * 4 * 6 * 9),
    (nn.ConvTranspose2d(4, 6, 3, groups=2), wanting(1, 4, 5, 5), 2 * 25 * 4 * 3 * 9),
    # a complex product is four real ones
    (nn.Conv2d(4, 6, 3, dtype=torch.complex64), "1,4,10,10:complex64", 4 * CONV),
    (nn.Embedding(10, 4), "2,3:int64", 0),
    (nn.Embedding(10, 4, sparse=True), "2,3:int64", 0),
    (nn.BatchNorm2d(4), wanting(2, 4, 5, 5), 0),
    # 3 steps of x·W_x and h·W_h; the first h is given: two of three steps want its gradient
    (nn.RNN(4, 5), (3, 2, 4), 3 * 2 * (4 * 5 + 5 * 5) + 2 * 2 * 5 * 5),
    (nn.GRU(4, 5), (3, 2, 4), 3 * (3 * 2 * (4 * 5 + 5 * 5) + 2 * 2 * 5 * 5)),
    (nn.LSTM(4, 5), (3, 2, 4), 4 * (3 * 2 * (4 * 5 + 5 * 5) + 2 * 2 * 5 * 5)),
    (nn.LSTM(4, 5), wanting(3, 2, 4), 4 * (3 * 2 * (2 * 4 * 5 + 5 * 5) + 2 * 2 * 5 * 5)),
]  # fmt: skip


def said(value):
    """A tensor by its shape: its values differ from process to process."""
    return str(tuple(value.shape) if isinstance(value, torch.Tensor) else value)[:40]


@pytest.mark.parametrize(("layer", "x", "macs"), LAYERS, ids=said)
def test_a_layer(layer, x, macs):
    analysis = trained(layer, x)
    assert analysis.totals.backward_macs == macs
    assert analysis.totals.backward_uncounted == {}
    assert analysis.totals.training_macs == analysis.totals.macs + macs
    assert sum(by_row(analysis).values()) == macs


def test_attention():
    # queries, keys and values of 3 positions × 2 examples, 8 wide, in 2 heads of 4
    projections, output = 3 * (3 * 2) * 8 * 8, (3 * 2) * 8 * 8
    scores = (2 * 2) * 3 * 3 * 4  # and as many for the weighted sum of the values
    x = wanting(3, 2, 8)
    analysis = trained(
        With(lambda self, x: self.mha(x, x, x)[0], mha=nn.MultiheadAttention(8, 2)), x
    )
    assert analysis.totals.macs == projections + 2 * scores + output
    assert analysis.totals.backward_macs == 2 * analysis.totals.macs


PRODUCTS = [
    (lambda a, b: a @ b, (2, 3), (3, 4), 2 * 3 * 4),
    (lambda a, b: a @ b, (5, 2, 3), (5, 3, 4), 5 * 2 * 3 * 4),
    (lambda a, b: a @ b, (5, 2, 3), (3, 4), 5 * 2 * 3 * 4),  # broadcast
    (torch.bmm, (5, 2, 3), (5, 3, 4), 5 * 2 * 3 * 4),
    (lambda a, b: torch.baddbmm(torch.empty(5, 2, 4), a, b), (5, 2, 3), (5, 3, 4), 5 * 2 * 3 * 4),
    (lambda a, b: torch.einsum("bij,bkj->bik", a, b), (5, 2, 3), (5, 4, 3), 5 * 2 * 3 * 4),
    (lambda a, b: F.scaled_dot_product_attention(a, b, b), (2, 7, 4), (2, 9, 4), 2 * 2 * 7 * 9 * 4),
    (F.linear, (2, 3), (4, 3), 2 * 3 * 4),
    (F.conv2d, (1, 3, 6, 6), (2, 3, 3, 3), 4 * 4 * 2 * 3 * 9),
]  # fmt: skip


@pytest.mark.parametrize(("function", "a", "b", "macs"), PRODUCTS)
def test_a_product_wants_the_gradients_of_its_operands(function, a, b, macs):
    net = With(lambda self, a, b: function(a, b))
    analysis = trained(net, wanting(*a), wanting(*b))
    assert (analysis.totals.macs, analysis.totals.backward_macs) == (macs, 2 * macs)
    (name,) = by_row(analysis)  # the row of the function, not of the container
    assert name in {r.path for r in analysis.layers if r.kind == "function"}
    assert trained(net, wanting(*a), torch.empty(b)).totals.backward_macs == macs


def test_a_bilinear_layer():
    # y[n,o] = Σ x[n,i] w[o,i,j] z[n,j]; two operands first, summed over what the third has not
    n, i, j, o = 2, 3, 4, 5
    analysis = trained(nn.Bilinear(i, j, o), wanting(n, i), wanting(n, j))
    weight = n * o * i + n * o * i * j
    first = n * o * i * j + n * i * j
    second = n * o * i * j + n * o * j
    assert analysis.totals.macs == n * o * i * j + n * o * j
    assert analysis.totals.backward_macs == weight + first + second


# Networks


def convs(*frozen_layers):
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4), nn.Flatten(), nn.Linear(64, 2)
    )
    for layer in frozen_layers:
        frozen(net[layer])
    return net


FIRST, DEPTHWISE, LAST = 6 * 6 * 4 * 3 * 9, 4 * 4 * 4 * 9, 64 * 2


@pytest.mark.parametrize(
    ("frozen_layers", "expected"),
    [
        ((), {"0": FIRST, "2": 2 * DEPTHWISE, "4": 2 * LAST}),
        ((0,), {"2": DEPTHWISE, "4": 2 * LAST}),  # nothing below wants a gradient
        ((0, 2), {"4": LAST}),
        ((2,), {"0": FIRST, "2": DEPTHWISE, "4": 2 * LAST}),  # on its way to the first
        ((4,), {"0": FIRST, "2": 2 * DEPTHWISE, "4": LAST}),
        ((2, 4), {"0": FIRST, "2": DEPTHWISE, "4": LAST}),
        ((0, 2, 4), {}),
    ],
)
def test_frozen_layers(frozen_layers, expected):
    assert by_row(trained(convs(*frozen_layers), (1, 3, 8, 8))) == expected


ONE = 2 * 5 * 5  # MACs of the layers below: 2 examples, 5 → 5


def test_a_module_called_twice_has_gradients_for_each_call():
    net = nn.Linear(5, 5)
    analysis = trained(nn.Sequential(net, nn.ReLU(), net), (2, 5))
    assert by_row(analysis) == {"0": ONE, "0#2": 2 * ONE}


def test_a_parameter_under_two_names():
    net = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5))
    net[1].weight = net[0].weight
    assert by_row(trained(net, (2, 5))) == {"0": ONE, "1": 2 * ONE}


def test_a_branch_that_is_cut_off():
    def forward(self, x):
        x = self.a(x)
        with torch.no_grad():
            y = self.b(x)
        return self.d(x + y + self.c(x).detach())

    net = With(forward, **{name: nn.Linear(5, 5) for name in "abcd"})
    assert by_row(trained(net, (2, 5))) == {"a": ONE, "d": 2 * ONE}


@dataclasses.dataclass
class Outputs:
    one: object
    rest: dict


def test_every_output_is_differentiated():
    def forward(self, x):
        x = self.stem(x)
        return Outputs(self.a(x), {"b": (self.b(x), [self.c(x)]), "label": x.argmax(1), "n": 3})

    net = With(forward, **{name: nn.Linear(5, 5) for name in ("stem", "a", "b", "c")})
    expected = {"stem": ONE, "a": 2 * ONE, "b": 2 * ONE, "c": 2 * ONE}
    assert by_row(trained(net, (2, 5))) == expected


def test_operators_in_place():
    net = nn.Sequential(
        nn.Linear(5, 5), nn.ReLU(inplace=True), nn.Linear(5, 5), nn.Hardtanh(inplace=True)
    )
    assert by_row(trained(net, (2, 5))) == {"0": ONE, "2": 2 * ONE}


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx, gradient):
        x, w = ctx.saved_tensors
        return gradient @ w.T, x.T @ gradient


def test_a_function_with_a_gradient_of_its_own():
    def forward(self, x):
        return self.b(Product.apply(self.a(x), self.w))

    net = With(forward, a=nn.Linear(5, 5), b=nn.Linear(5, 5), w=nn.Parameter(torch.empty(5, 5)))
    # what it runs belongs to the module that called it
    assert by_row(trained(net, (2, 5))) == {"": 2 * ONE, "a": ONE, "b": 2 * ONE}


# Checkpoints: the forward pass of what they span runs again, for its rows

WITHIN, AGAIN = {"use_reentrant": False}, {"use_reentrant": True}


def layers(names):
    return {name: nn.Linear(5, 5) for name in names}


@pytest.mark.parametrize("how", [WITHIN, AGAIN])
def test_a_checkpointed_module(how):
    def forward(self, x):
        return self.c(checkpoint(self.b, self.a(x), **how))

    block = nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU())
    net = With(forward, a=nn.Linear(5, 5), b=block, c=nn.Linear(5, 5))
    expected = {"a": ONE, "b.0": 3 * ONE, "b.2": 3 * ONE, "c": 2 * ONE}
    analysis = trained(net, (2, 5))
    assert by_row(analysis) == expected
    assert [r.path for r in analysis.layers] == ["", "a", "b", "b.0", "b.1", "b.2", "b.3", "c"]


@pytest.mark.parametrize("how", [WITHIN, AGAIN])
def test_one_module_in_several_checkpoints(how):
    def forward(self, x):
        x = self.a(x)
        for _ in range(3):
            x = checkpoint(self.b, x, **how)
        return self.b(x)

    net = With(forward, a=nn.Linear(5, 5), b=nn.Sequential(nn.Linear(5, 5), nn.Sigmoid()))
    again = {"b.0": 3 * ONE, "b.0#2": 3 * ONE, "b.0#3": 3 * ONE}
    assert by_row(trained(net, (2, 5))) == {"a": ONE, **again, "b.0#4": 2 * ONE}


@pytest.mark.parametrize("how", [WITHIN, AGAIN])
def test_a_checkpoint_that_spans_one_module_twice(how):
    def forward(self, x):
        x = self.a(x)
        x = checkpoint(lambda y: self.b(self.b(y)), x, **how)
        return checkpoint(lambda y: self.b(self.c(self.b(y))), x, **how)

    net = With(forward, **layers("ac"), b=nn.Sequential(nn.Linear(5, 5), nn.Sigmoid()))
    again = dict.fromkeys(("b.0", "b.0#2", "b.0#3", "c", "b.0#4"), 3 * ONE)
    assert by_row(trained(net, (2, 5))) == {"a": ONE, **again}


def test_a_checkpoint_in_a_checkpoint():
    def inner(self, y):
        return checkpoint(self.c, self.b(y), **AGAIN)

    def forward(self, x):
        return checkpoint(lambda y: inner(self, y), self.a(x), **AGAIN)

    net = With(forward, **layers("abc"))
    # the inner one runs forward when the outer one runs again, and then once more
    assert by_row(trained(net, (2, 5))) == {"a": ONE, "b": 3 * ONE, "c": 4 * ONE}


# Against torch's own counter


def flops(model, *shapes, mode):
    """Those of forward and backward pass on meta, by torch's FlopCounterMode."""
    model = meta_copy(model).train(mode == "train")
    with FlopCounterMode(display=False) as counter:
        outputs = model(*[torch.empty(shape, device="meta") for shape in shapes])
        outputs = [outputs] if isinstance(outputs, torch.Tensor) else [*outputs]
        torch.autograd.backward(outputs, [torch.empty_like(output) for output in outputs])
    return counter.get_total_flops()


def excess(analysis, model):
    """What FlopCounterMode counts too much: a weight gradient lacks its division by the groups."""
    modules = dict(model.named_modules())
    convolutions = [
        (row, modules[row.path])
        for row in analysis.layers
        if isinstance(modules.get(row.path), nn.modules.conv._ConvNd)
    ]
    return sum(
        (conv.groups - 1) * row.macs for row, conv in convolutions if conv.weight.requires_grad
    )


def torchvision_model(name):
    from cnnstat.models import torchvision_import as vision_operators

    models = vision_operators.torchvision().models
    with torch.device("meta"):
        return models.get_model(name, weights=None)


@pytest.mark.parametrize(
    ("name", "grouped", "mode"),
    [("resnet18", False, "train"), ("resnet18", False, "eval"), ("vgg11", False, "train"),
     ("vit_b_16", False, "train"), ("squeezenet1_0", False, "train"),
     ("mobilenet_v3_small", True, "train"), ("shufflenet_v2_x0_5", True, "eval")],
)  # fmt: skip
def test_networks_against_torchs_counter(name, grouped, mode):
    model = torchvision_model(name)
    analysis = trained(model, (2, 3, 224, 224), mode=mode)
    theirs = flops(model, (2, 3, 224, 224), mode=mode)
    assert (excess(analysis, model) > 0) == grouped
    assert 2 * (analysis.totals.training_macs + excess(analysis, model)) == theirs
    assert analysis.totals.backward_uncounted == {}


@pytest.mark.parametrize("name", ["resnet18", "alexnet", "vgg11", "nin", "lenet"])
def test_a_plain_network_costs_twice_its_forward_pass_but_for_the_first_input(name):
    analysis = trained(name)
    first = next(row for row in analysis.layers if row.macs)
    assert analysis.totals.backward_macs == 2 * analysis.totals.macs - first.macs
    assert analysis.mode == "train"


@pytest.mark.parametrize("how", [WITHIN, AGAIN])
def test_checkpoints_against_torchs_counter(how):
    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = checkpoint(block, x, **how)
        return self.head(x.mean((2, 3)))

    blocks = nn.ModuleList(
        nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.GELU()) for _ in range(3)
    )
    net = With(forward, stem=nn.Conv2d(3, 4, 3), blocks=blocks, head=nn.Linear(4, 2))
    analysis = trained(net, (2, 3, 8, 8))
    assert 2 * analysis.totals.training_macs == flops(net, (2, 3, 8, 8), mode="train")
    assert {n: m for n, m in by_row(analysis).items() if "blocks" in n} == {
        f"blocks.{i}.0": 3 * (2 * 36 * 4 * 4 * 9) for i in range(3)
    }


# Generated networks: each layer costs what it costs alone


class Sum(nn.Module):
    def __init__(self, *bodies):
        super().__init__()
        self.bodies = nn.ModuleList(bodies)

    def forward(self, x):
        return sum((body(x) for body in self.bodies), x * 2)


def leaves():
    return st.sampled_from([
        lambda: nn.Conv2d(4, 4, 3, padding=1), lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4),
        lambda: nn.Conv2d(4, 4, 1, groups=2, bias=False), lambda: nn.ConvTranspose2d(4, 4, 1),
        lambda: nn.Linear(6, 6), nn.ReLU, nn.GELU, lambda: nn.BatchNorm2d(4), nn.Dropout,
        lambda: nn.MaxPool2d(3, 1, 1), lambda: nn.AvgPool2d(3, 1, 1), lambda: nn.LayerNorm(6),
    ]).map(lambda make: make())  # fmt: skip


@st.composite
def trees(draw):
    def trainable(module):
        return module.requires_grad_(draw(st.integers(0, 3)) > 0)

    def twice(module):
        return nn.Sequential(module, module)

    def containers(inner):
        return st.one_of(
            st.lists(inner, min_size=1, max_size=4).map(lambda m: nn.Sequential(*m)),
            st.lists(inner, min_size=1, max_size=3).map(lambda m: Sum(*m)),
            inner.map(twice),
        )

    return draw(st.recursive(leaves().map(trainable), containers, max_leaves=10))


def observed(net, x):
    """What hooks see in a real run: {(path, call): (module, input as it was)}."""
    seen, calls = {}, defaultdict(int)

    def note(path, module, args):
        x = args[0].detach().requires_grad_(args[0].requires_grad)
        seen[path, calls[path]] = module, x
        calls[path] += 1

    handles = [
        module.register_forward_pre_hook(lambda m, args, path=path: note(path, m, args))
        for path, module in net.named_modules()
        if not [*module.children()]
    ]
    net(x)
    for handle in handles:
        handle.remove()
    return seen


@settings(max_examples=40, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(trees(), st.booleans())
def test_each_layer_costs_what_it_costs_alone(net, wanted):
    x = torch.zeros(2, 4, 5, 6, requires_grad=wanted)
    forward, analysis = cnnstat.analyze(net, x, mode="train"), trained(net, x)
    alone = {
        key: trained(module, given).totals.backward_macs
        for key, (module, given) in observed(net.train(), x).items()
    }
    rows = {(r.path, r.call): r.backward_macs for r in analysis.layers}
    assert {key: rows[key] for key in alone} == alone
    assert sum(rows.values()) == sum(alone.values()) == analysis.totals.backward_macs
    assert analysis.layers[0].total.backward_macs == analysis.totals.backward_macs
    assert untrained(analysis) == untrained(forward)


# What is said, and what is not


def untrained(analysis):
    """The JSON without the figures of the backward pass."""

    def without(value):
        if isinstance(value, dict):
            return {k: without(v) for k, v in value.items() if not k.startswith("backward")}
        return [without(item) for item in value] if isinstance(value, list) else value

    found = without(json.loads(render(analysis, "json").text))
    return {**found, "notes": []}


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", ["googlenet", "resnet18", "lenet"])
def test_the_figures_of_the_forward_pass_stay_as_they_are(name, mode):
    without, with_ = cnnstat.analyze(name, mode=mode), trained(name, mode=mode)
    assert untrained(with_) == untrained(without)
    assert with_.mode == mode
    # not asked for is not 0
    assert without.totals.backward_macs is without.totals.backward_other_ops is None
    assert without.totals.training_macs is None
    assert {row.backward_macs for row in without.layers} == {None}
    assert {row.total.backward_macs for row in without.layers} == {None}
    assert json.loads(render(without, "json").text)["totals"]["backward_macs"] is None


NOTHING = [
    (frozen(nn.Linear(5, 5)), "no parameter is trained"),
    (nn.ReLU(), "no parameter is trained"),
    (With(lambda self, x: self.a(x).argmax(1), a=nn.Linear(5, 5)), "no output depends on"),
    (With(lambda self, x: self.a(x).detach(), a=nn.Linear(5, 5)), "no output depends on"),
    (With(lambda self, x: None, a=nn.Linear(5, 5)), "no output depends on"),
]


@pytest.mark.parametrize(("net", "reason"), NOTHING)
def test_nothing_to_train_is_said(net, reason):
    analysis = trained(net, (2, 5))
    assert analysis.totals.backward_macs == 0
    (note,) = [note for note in analysis.notes if "nothing to train" in note]
    assert reason in note
    assert note in " ".join(render(analysis, "table").text.split())


class Unfinished(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        raise ValueError("not written yet")


FAILING = [
    (With(lambda self, x: self.a(x).sigmoid().mul_(2), a=nn.Linear(5, 5)),
     "the backward pass fails at sigmoid()", "modified by an inplace operation"),
    (nn.Sequential(nn.Linear(5, 5), nn.Sigmoid(), With(lambda self, x: x.add_(1))),
     "the backward pass fails at 1 (Sigmoid)", "modified by an inplace operation"),
    (nn.Sequential(nn.Linear(5, 5), With(lambda self, x: Unfinished.apply(x)), nn.ReLU()),
     "the backward pass fails at 1 (With)", "ValueError: not written yet"),
    (With(lambda self, x: x @ self.w.add_(1), w=nn.Parameter(torch.empty(5, 5))),
     "with gradients the model fails at add()", "leaf Variable"),
]  # fmt: skip


@pytest.mark.parametrize(("net", "place", "reason"), FAILING, ids=[row[1] for row in FAILING])
def test_a_failing_backward_pass_names_the_layer(net, place, reason):
    cnnstat.analyze(net, (2, 5))  # forwards it runs
    with pytest.raises(ModelError) as raised:
        trained(net, (2, 5))
    assert raised.value.message == place
    assert reason in str(raised.value)
    assert "set_detect_anomaly" not in str(raised.value)
    in_forward = place.startswith("with gradients")
    assert raised.value.phase == ("forward with gradients" if in_forward else "backward")


def test_a_batch_norm_of_one_value_says_what_to_type():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4))
    with pytest.raises(ShapeError) as raised:
        trained(net, (1, 3, 8, 8))
    assert 'mode="eval"' in raised.value.hint
    assert by_row(trained(net, (1, 3, 8, 8), mode="eval")) == {"0": FIRST}
    assert by_row(trained(net, (2, 3, 8, 8))) == {"0": 2 * FIRST}


def test_a_model_that_calls_other_layers_with_gradients():
    def forward(self, x):
        return self.b(self.a(x)) if torch.is_grad_enabled() else self.a(x)

    net = With(forward, **layers("ab"))
    # b is no row of the run without gradients: its caller has its gradients
    assert by_row(trained(net, (2, 5))) == {"": 2 * ONE, "a": ONE}


HEAD = nn.Linear(5, 5)


def test_modules_that_are_none_of_the_models():
    net = With(lambda self, x: nn.Linear(5, 5)(HEAD(self.a(x))), a=nn.Linear(5, 5))
    analysis = trained(net, (2, 5))
    assert by_row(analysis) == {"a": ONE, "linear": 2 * ONE, "linear#2": 2 * ONE}
    assert HEAD.weight.grad is None


VALUES = With(
    lambda self, x: self.b(self.a(x)) if x.sum() > 0 else self.a(x), a=nn.Linear(5, 5),
    b=nn.Linear(5, 5),
)  # fmt: skip


def test_a_model_that_needs_values():
    x = torch.rand(2, 5)
    analysis = trained(VALUES, x)
    assert analysis.lane == "cpu"
    assert by_row(analysis) == {"a": ONE, "b": 2 * ONE}
    assert by_row(trained(VALUES, -x)) == {"a": ONE}
    assert VALUES.a.weight.grad is None


@pytest.mark.parametrize("lane", ["meta", "fake", "cpu"])
def test_the_lanes_agree(lane):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Linear(6, 5))
    analysis = trained(net, (1, 3, 8, 8), lane=lane)
    assert by_row(analysis) == {"0": FIRST, "3": 2 * (4 * 6) * 6 * 5}
    assert (analysis.lane, analysis.totals.backward_uncounted) == (lane, {})


def test_made_up_inputs_are_the_same_in_both_runs():
    def forward(self, x):
        for _ in range(int(x.sum() * 100) % 7):
            x = self.a(x)
        return self.a(x)

    analysis = trained(With(forward, a=nn.Linear(5, 5)), (2, 5))
    calls = [r for r in analysis.layers if r.type == "Linear"]
    assert [r.backward_macs for r in calls] == [ONE, *[2 * ONE] * (len(calls) - 1)]


def test_under_the_modes_of_the_caller():
    net = convs()
    for mode in (torch.no_grad, torch.inference_mode, torch.enable_grad):
        with mode():
            assert by_row(trained(net, (1, 3, 8, 8))) == by_row(trained(convs(), (1, 3, 8, 8)))


def test_a_torch_that_does_not_tell_its_nodes(monkeypatch):
    expected = trained(convs(), (1, 3, 8, 8)).totals.backward_macs
    monkeypatch.setattr(backward, "NUMBERS_NODES", False)
    analysis = trained(convs(), (1, 3, 8, 8))
    assert by_row(analysis) == {"": expected}
    assert "in the totals only" in analysis.notes[-1]


def test_an_operator_without_a_rule_is_named():
    net = With(lambda self, x: torch.linalg.matrix_exp(self.a(x)), a=nn.Linear(5, 5))
    analysis = trained(net, (5, 5))
    uncounted = analysis.totals.backward_uncounted
    assert uncounted
    text = render(analysis, "table").text
    assert all(name in text for name in uncounted)
    assert "backward totals are lower bounds" in text


def test_an_operator_without_a_gradient_is_named():
    library = torch.library.Library("cnnstat_test", "FRAGMENT")
    library.define("twice(Tensor x) -> Tensor")
    library.impl("twice", lambda x: torch.empty_like(x), "Meta")

    def forward(self, x):
        return self.b(torch.ops.cnnstat_test.twice(self.a(x)))

    analysis = trained(With(forward, **layers("ab")), (2, 5), lane="meta")
    assert by_row(analysis) == {"b": 2 * ONE}  # a is not reached
    assert analysis.totals.backward_uncounted == {"the gradient of twice": 1}
    assert "at least" in render(analysis, "table").text


# Other operations: as many per element as the formula of the gradient has

N = 2 * 4 * 6 * 6
OTHER = [
    (nn.ReLU(), N), (nn.GELU(), N), (nn.Sigmoid(), N), (nn.Hardswish(), N), (nn.ELU(), N),
    (nn.Softmax(1), 4 * N),
    (nn.MaxPool2d(2), 2 * 4 * 3 * 3),
    (nn.AvgPool2d(2), 2 * 4 * 3 * 3 * 2 * 2),
    (nn.BatchNorm2d(4), 9 * N), (nn.BatchNorm2d(4, affine=False), 9 * N),
    (nn.BatchNorm2d(4).eval(), 6 * N),
    (nn.LayerNorm(6), 13 * N), (nn.LayerNorm(6, elementwise_affine=False), 9 * N),
    (nn.GroupNorm(2, 4), 13 * N),
    (nn.Upsample(scale_factor=2), 4 * N),
    (nn.Upsample(scale_factor=2, mode="bilinear"), 4 * 4 * N),
    (nn.ReflectionPad2d(1), 2 * 4 * 8 * 8),
    (nn.Conv2d(4, 3, 3), 2 * 3 * 4 * 4),  # the bias
    (nn.Unfold(3), 2 * (4 * 9) * 16),
    (nn.AdaptiveAvgPool2d(4), 2 * 4 * 4 * 4 * (2 * 2)),
    (nn.AdaptiveMaxPool2d(3), 2 * 4 * 3 * 3),
    (nn.InstanceNorm2d(4, affine=True), 9 * N + 2 * (2 * 4)),  # then summed over the 2 examples
    (nn.PReLU(4), 3 * N),  # of the input and of the slope, which is summed
    (With(lambda self, x: F.mse_loss(x, x.detach())), 3 * N),
    (With(lambda self, x: F.nll_loss(x, x.new_zeros((2, 6, 6), dtype=int))), 2 * 6 * 6),
    (With(lambda self, x: x.gather(1, x.new_zeros((2, 1, 6, 6), dtype=int))), 2 * 6 * 6),
    (With(lambda self, x: x[:, :1].expand(2, 4, 6, 6)), 2 * 4 * 6 * 6),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "expected"), OTHER, ids=lambda value: str(value)[:40])
def test_other_operations(layer, expected):
    analysis = trained(layer, wanting(2, 4, 6, 6), mode="train" if layer.training else "eval")
    assert analysis.totals.backward_other_ops == expected
    assert analysis.totals.backward_uncounted == {}


def spec(*shape):
    return TensorSpec(0, shape, "float32", 4)


HEADS, Q, K, D = 8, 7, 9, 16
QKV = spec(2, HEADS, Q, D), spec(2, HEADS, K, D), spec(2, HEADS, K, D)
SCORES = 2 * HEADS * Q * K
IMAGE, MAP, KERNEL = spec(2, 4, 10, 10), spec(2, 6, 8, 8), spec(6, 4, 3, 3)
ON_DEVICES = [
    *((f"aten._scaled_dot_product_{kind}_backward", (spec(2, HEADS, Q, D), *QKV), 5 * SCORES * D)
      for kind in ("flash_attention", "flash_attention_for_cpu", "efficient_attention",
                   "cudnn_attention", "fused_attention_overrideable")),
    ("aten.convolution_backward_overrideable",
     (MAP, IMAGE, KERNEL, (1, 1), (0, 0), (1, 1), False, (0, 0), 1, (True, True, False)),
     2 * 2 * 64 * 6 * 4 * 9),
    ("torchvision._deform_conv2d_backward", (MAP, IMAGE, KERNEL), 2 * 2 * 64 * 6 * 4 * 9),
    # one layer in one direction: x·W_x and h·W_h, four gates of 3
    ("aten.mkldnn_rnn_layer_backward", (spec(5, 2, 7), spec(12, 7), spec(12, 3)),
     2 * 5 * 2 * (12 * 7 + 12 * 3)),
    ("aten.conv_tbc_backward", (spec(7, 2, 4), spec(9, 2, 3), spec(3, 3, 4), spec(4), 0),
     2 * 7 * 2 * 3 * 3 * 4),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "macs"), ON_DEVICES, ids=[row[0] for row in ON_DEVICES])
def test_operators_that_only_devices_run(name, args, macs):
    cost = cost_of(Op(name, "default", args, {}, (), 0, 0))
    assert isinstance(cost, Cost)
    assert cost.macs == macs


# The command line


def test_the_command_line(capsys):
    assert run(["shapes", "lenet", "--training", "--columns", "macs,backward-macs"]) == 0
    shown = capsys.readouterr().out
    analysis = trained("lenet")
    assert "Backward MACs" in shown.splitlines()[2]
    assert f"{analysis.totals.backward_macs:,}" in shown
    total = analysis.totals.macs + analysis.totals.backward_macs
    (line,) = [line for line in shown.splitlines() if "Training MACs" in line]
    assert line.split("  ")[-1].strip() == f"{total:,} ({total / 1e6:.2f} M)"
    assert "train mode" in shown
    assert run(["shapes", "lenet", "--training", "--mode", "eval"]) == 0
    assert "eval mode" in capsys.readouterr().out


def test_the_column_is_usual_only_where_it_was_asked_for(capsys):
    run(["shapes", "lenet"])
    assert "Backward" not in capsys.readouterr().out
    run(["shapes", "lenet", "--columns", "backward-macs"])
    assert "needs --training" in capsys.readouterr().out


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "json", "latex", "html"])
def test_every_format_has_the_figures(format):
    analysis = trained("lenet")
    figure = analysis.totals.backward_macs
    written = render(analysis, format, Options(totals=format == "csv")).text
    assert f"{figure:,}" in written or str(figure) in written


def test_sorted_by_the_backward_pass(capsys):
    run(["shapes", "alexnet", "--training", "--sort", "backward-macs", "--top", "2", "-f", "csv"])
    first, second = capsys.readouterr().out.splitlines()[1:3]
    rows = sorted(trained("alexnet").layers, key=lambda r: -r.backward_macs)
    assert [first.split(",")[0], second.split(",")[0]] == [row.path for row in rows[:2]]


def test_comparisons(capsys):
    comparison = cnnstat.compare("nin", "resnet18", training=True)
    (figure,) = [figure for figure in comparison.totals if figure.name == "Backward MACs"]
    assert figure.values == tuple(a.totals.backward_macs for a in comparison.analyses)
    assert run(["compare", "nin", "alexnet", "--training"]) == 0
    shown = capsys.readouterr().out
    assert "Training MACs" in shown
    run(["compare", "nin", "alexnet"])
    assert "Training MACs" not in capsys.readouterr().out


def test_a_saved_analysis_keeps_its_figures(tmp_path, capsys):
    saved = tmp_path / "run.json"
    assert run(["shapes", "lenet", "--training", "--output", str(saved)]) == 0
    assert run(["shapes", str(saved)]) == 0
    assert "Backward MACs" in capsys.readouterr().out
    assert run(["shapes", str(saved), "--training"]) == 2
    assert "saved analysis" in capsys.readouterr().err
    with pytest.raises(UsageError, match="saved analysis"):
        cnnstat.analyze(str(saved), training=True)


class Decoder(nn.Module):
    """Writes the steps of a loop to a tensor that it creates on the CPU."""

    def __init__(self, write):
        super().__init__()
        self.step, self.head = nn.Linear(4, 4), nn.Linear(4, 2)
        self.write = write

    def forward(self, x):
        outputs = torch.FloatTensor(x.size(0), 3, 4).fill_(0).to("cpu")
        hidden = torch.zeros(x.size(0), 4)
        for i in range(3):
            hidden = torch.tanh(self.step(x) + hidden)
            outputs = self.write(outputs, i, hidden)
        return self.head(outputs)


def _set_item(outputs, i, hidden):
    outputs[:, i, :] = hidden
    return outputs


WRITES = [
    ("an item", _set_item),
    ("index_add_", lambda out, i, h: out.index_add_(1, torch.tensor([i]), h[:, None])),
    ("add_", lambda out, i, h: out.add_(h[:, None])),
]


@pytest.mark.parametrize("write", [pytest.param(w, id=n) for n, w in WRITES])
def test_what_is_written_to_a_constant_keeps_its_gradient(write):
    model = Decoder(write)
    with FlopCounterMode(display=False) as counter:
        model(torch.randn(2, 4)).sum().backward()
    totals = cnnstat.analyze(model, (2, 4), training=True).totals
    assert totals.macs + totals.backward_macs == counter.get_total_flops() // 2
    assert cnnstat.memory(model, (2, 4)).peak_bytes > 2 * 3 * 4 * 4
