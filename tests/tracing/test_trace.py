"""What one run records: which rows, in which order, with whose parameters; memory; fields; errors.

Models are small enough that every expected figure can be worked out by hand, and where torch can
tell (memory, receptive fields) it is asked.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.profiler import ProfilerActivity, profile

import cnnstat
from cnnstat.errors import ModelError, ShapeError
from tests.networks import Function, With

FLOAT = 4  # bytes


def rows(analysis):
    """(path, call) of the rows below the root, in order."""
    return [(layer.path, layer.call) for layer in analysis.layers[1:]]


def row(analysis, path, call=0):
    (found,) = [layer for layer in analysis.layers if (layer.path, layer.call) == (path, call)]
    return found


# Rows


def test_rows_stand_in_execution_order_nested_as_called():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            # registered in another order than called
            self.norm = nn.BatchNorm2d(4)
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return F.relu(self.norm(self.conv(x)))

    net = nn.Sequential(Block(), nn.Sequential(nn.Flatten(), nn.Linear(4 * 6 * 6, 10)))
    analysis = cnnstat.analyze(net, (2, 3, 8, 8))
    assert [(r.depth, r.path, r.type, r.kind) for r in analysis.layers] == [
        (0, "", "Sequential", "module"),
        (1, "0", "Block", "module"),
        (2, "0.conv", "Conv2d", "module"),
        (2, "0.norm", "BatchNorm2d", "module"),
        (2, "0.relu", "relu", "function"),
        (1, "1", "Sequential", "module"),
        (2, "1.0", "Flatten", "module"),
        (2, "1.1", "Linear", "module"),
    ]
    assert row(analysis, "0.conv").inputs == ((2, 3, 8, 8),)
    assert row(analysis, "0.conv").outputs == ((2, 4, 6, 6),)
    assert row(analysis, "1").inputs == ((2, 4, 6, 6),)
    assert row(analysis, "1").outputs == ((2, 10),)


def test_own_figures_are_of_the_call_and_totals_include_its_children():
    net = nn.Sequential(nn.Sequential(nn.Linear(4, 5), nn.ReLU()), nn.Linear(5, 3))
    analysis = cnnstat.analyze(net, (2, 4))
    inner, linear = row(analysis, "0"), row(analysis, "0.0")
    assert (inner.params, inner.macs, inner.other_ops, inner.activation_bytes) == (0, 0, 0, 0)
    assert (linear.params, linear.macs, linear.other_ops) == (4 * 5 + 5, 2 * 4 * 5, 2 * 5)
    assert inner.total.params == linear.params
    assert inner.total.macs == linear.macs
    assert inner.total.other_ops == 2 * 5 + 2 * 5  # bias, ReLU
    assert inner.total.activation_bytes == (2 * 5 + 2 * 5) * FLOAT
    assert analysis.layers[0].total.macs == analysis.totals.macs == 2 * 4 * 5 + 2 * 5 * 3
    assert analysis.layers[0].total.params == analysis.totals.params == 25 + 5 * 3 + 3


FUNCTIONS = [
    (lambda x: torch.cat([x, x], 1), "cat", (2, 8, 6, 6)),
    (lambda x: F.relu(x), "relu", (2, 4, 6, 6)),
    (lambda x: F.relu_(x), "relu", (2, 4, 6, 6)),
    (lambda x: x.relu_(), "relu", (2, 4, 6, 6)),
    (lambda x: F.avg_pool2d(x, 2), "avg_pool2d", (2, 4, 3, 3)),
    (lambda x: F.max_pool2d(x, 2), "max_pool2d", (2, 4, 3, 3)),
    (lambda x: F.conv2d(x, torch.empty(5, 4, 3, 3)), "conv2d", (2, 5, 4, 4)),
    (lambda x: x.view(2, -1), "view", (2, 144)),
    (lambda x: torch.flatten(x, 1), "flatten", (2, 144)),
    (lambda x: x.mean((2, 3)), "mean", (2, 4)),
    (lambda x: x + x, "add", (2, 4, 6, 6)),
    (lambda x: 1 + x, "add", (2, 4, 6, 6)),
    (lambda x: x.__iadd__(x), "add", (2, 4, 6, 6)),
    (lambda x: x - 1, "sub", (2, 4, 6, 6)),
    (lambda x: 1 - x, "sub", (2, 4, 6, 6)),
    (lambda x: 2 * x, "mul", (2, 4, 6, 6)),
    (lambda x: x / 2, "div", (2, 4, 6, 6)),
    (lambda x: x @ x, "matmul", (2, 4, 6, 6)),
    (lambda x: x[:, 1:3], "getitem", (2, 2, 6, 6)),
    (lambda x: x[:, 0], "getitem", (2, 6, 6)),
    (lambda x: x.mT, "mT", (2, 4, 6, 6)),
    (lambda x: F.interpolate(x, scale_factor=2), "interpolate", (2, 4, 12, 12)),
    (lambda x: torch.einsum("nchw,ndhw->ncd", x, x), "einsum", (2, 4, 4)),
]


@pytest.mark.parametrize(
    ("function", "name", "shape"),
    [pytest.param(*f, id=f"{f[1]}-{i}") for i, f in enumerate(FUNCTIONS)],
)
def test_functional_operators_are_rows(function, name, shape):
    analysis = cnnstat.analyze(Function(function), (2, 4, 6, 6))
    last = analysis.layers[-1]
    assert (last.kind, last.type, last.path, last.depth) == ("function", name, name, 1)
    assert last.outputs == (shape,)
    assert last.inputs[0] == (2, 4, 6, 6)


def test_questions_about_a_tensor_are_no_rows():
    def forward(x):
        assert x.dim() == 2
        assert x.device.type
        assert x.is_floating_point()
        assert (len(x), x.size(1), x.numel(), x.shape[0]) == (2, 4, 8, 2)
        return x.relu()

    assert rows(cnnstat.analyze(Function(forward), (2, 4))) == [("relu", 0)]


def test_what_a_library_layer_does_inside_is_no_row():
    net = nn.Sequential(nn.LocalResponseNorm(5), nn.Softsign())
    assert rows(cnnstat.analyze(net, (1, 8, 4, 4))) == [("0", 0), ("1", 0)]


def test_a_reused_module_is_a_row_per_call_and_its_parameters_count_once():
    def forward(self, x):
        for _ in range(3):
            x = self.relu(self.conv(x))
        return x

    net = With(forward, conv=nn.Conv2d(4, 4, 3, padding=1), relu=nn.ReLU())
    analysis = cnnstat.analyze(net, (1, 4, 8, 8))
    assert rows(analysis) == [(n, call) for call in range(3) for n in ("conv", "relu")]
    params = 4 * 4 * 9 + 4
    convs = [row(analysis, "conv", call) for call in range(3)]
    assert [c.params for c in convs] == [params, 0, 0]
    assert [c.shared_with for c in convs] == [None, "conv", "conv"]
    assert [c.macs for c in convs] == [8 * 8 * 4 * 4 * 9] * 3  # it computes each time
    assert analysis.totals.params == params
    assert analysis.totals.depth == 3


def test_a_module_under_two_names_is_one_module():
    linear = nn.Linear(4, 4)
    analysis = cnnstat.analyze(nn.Sequential(linear, nn.ReLU(), linear), (1, 4))
    assert rows(analysis) == [("0", 0), ("1", 0), ("0", 1)]
    assert analysis.totals.params == 4 * 4 + 4


@pytest.mark.parametrize("order", [("embedding", "output"), ("output", "embedding")])
def test_tied_parameters_count_once(order):
    made = {"embedding": nn.Embedding(10, 4), "output": nn.Linear(4, 10, bias=False)}
    made["output"].weight = made["embedding"].weight
    children = {name: made[name] for name in order}
    net = With(lambda self, ids: self.output(self.embedding(ids)), **children)
    analysis = cnnstat.analyze(net, "1,16:int64")
    first, second = order
    assert row(analysis, first).params == 10 * 4  # counted where it is registered first
    assert row(analysis, second).params == 0
    assert row(analysis, second).shared_with == first
    assert row(analysis, first).shared_with is None
    assert analysis.totals.params == analysis.layers[0].total.params == 10 * 4
    assert analysis.totals.param_bytes == 10 * 4 * FLOAT
    assert analysis.totals.macs == 16 * 4 * 10


def test_a_parameter_of_a_container_belongs_to_the_operator_that_uses_it():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.gamma = nn.Parameter(torch.ones(4, 1, 1))

        def forward(self, x):
            return x * self.gamma

    analysis = cnnstat.analyze(nn.Sequential(Scale()), (1, 4, 8, 8))
    assert (row(analysis, "0").params, row(analysis, "0.mul").params) == (0, 4)
    assert row(analysis, "0").total.params == 4
    assert row(analysis, "0.mul").inputs == ((1, 4, 8, 8), (4, 1, 1))


def test_parameters_used_without_calling_their_module_count_in_the_call_that_uses_them():
    net = With(lambda self, x: F.linear(x, self.linear.weight), linear=nn.Linear(4, 5, bias=False))
    analysis = cnnstat.analyze(net, (1, 4))
    assert rows(analysis) == [("linear", 0)]
    assert row(analysis, "linear").params == 4 * 5
    assert analysis.notes == ()


def test_parameters_used_twice_count_where_they_are_used_first():
    def forward(self, x):
        return F.linear(F.linear(x, self.linear.weight), self.linear.weight)

    analysis = cnnstat.analyze(With(forward, linear=nn.Linear(4, 4, bias=False)), (1, 4))
    assert [row(analysis, "linear", call).params for call in (0, 1)] == [4 * 4, 0]
    assert analysis.totals.params == 4 * 4


def test_parameters_never_used_are_in_the_total_and_noted():
    net = With(
        lambda self, x: self.used(x),
        used=nn.Linear(4, 4), unused=nn.Linear(4, 3), block=nn.Sequential(nn.Linear(2, 2)),
    )  # fmt: skip
    analysis = cnnstat.analyze(net, (1, 4))
    assert analysis.totals.params == (16 + 4) + (12 + 3) + (4 + 2)
    assert analysis.layers[0].total.params == 16 + 4
    assert analysis.by_role["linear"].params == analysis.totals.params
    unused, block = analysis.notes
    assert "unused was never" in unused
    assert "15 parameters" in unused
    assert "block was never" in block  # the outermost name in which nothing ran
    assert "6 parameters" in block


def test_frozen_parameters_and_buffers():
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    net[0].requires_grad_(False)
    totals = cnnstat.analyze(net, (3, 4)).totals
    assert totals.params == (16 + 4) + (4 + 4) + (8 + 2)
    assert totals.trainable_params == totals.params - (16 + 4)
    assert totals.buffers == 4 + 4 + 1  # running mean, running variance, batches seen
    assert totals.buffer_bytes == (4 + 4) * FLOAT + 8  # the number of batches is an int64
    assert [r.frozen_params for r in cnnstat.analyze(net, (3, 4)).layers] == [0, 20, 0, 0]


def test_bytes_by_dtype():
    net = nn.Sequential(nn.Linear(4, 4).half(), Function(lambda x: x.float()), nn.Linear(4, 4))
    totals = cnnstat.analyze(net, "1,4:float16").totals
    assert totals.bytes_by_dtype == {"float16": 20 * 2, "float32": 20 * 4}
    assert totals.param_bytes == 20 * 2 + 20 * 4


@pytest.mark.parametrize(("dtype", "itemsize"), [("float16", 2), ("bfloat16", 2), ("float64", 8)])
def test_a_model_in_another_precision(dtype, itemsize):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                        nn.LayerNorm(4 * 6 * 6), nn.Linear(4 * 6 * 6, 2))  # fmt: skip
    net = net.to(getattr(torch, dtype))
    analysis = cnnstat.analyze(net, f"2,3,8,8:{dtype}")
    totals = analysis.totals
    params = (4 * 27 + 4) + (4 + 4) + (144 + 144) + (288 + 2)
    assert (totals.params, totals.param_bytes) == (params, params * itemsize)
    assert totals.macs == 2 * 36 * 4 * 27 + 2 * 144 * 2
    maps = 2 * 4 * 6 * 6
    assert totals.activation_bytes == itemsize * (maps + maps + maps + maps + 2 * 2)
    assert analysis.inputs[0].dtype == dtype


# Inputs


def test_inputs_by_keyword_and_modules_called_by_keyword():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 5)
            self.b = nn.Linear(3, 5)

        def forward(self, left, *, right):
            return self.a(input=left) + self.b(input=right)

    analyses = [
        cnnstat.analyze(Net(), (1, 4), right=(1, 3)),
        cnnstat.analyze(Net(), (1, 4), "right=1,3"),
        cnnstat.analyze(Net(), torch.zeros(1, 4), right=torch.zeros(1, 3)),
    ]
    for analysis in analyses:
        assert [(i.name, i.shape) for i in analysis.inputs] == [(None, (1, 4)), ("right", (1, 3))]
        assert row(analysis, "b").inputs == ((1, 3),)
        assert analysis.totals.macs == 4 * 5 + 3 * 5
        assert analysis.layers[0].inputs == ((1, 4), (1, 3))


def test_several_inputs():
    analysis = cnnstat.analyze(Function(lambda a, b, c: a * b + c), (2, 3), (2, 1), (3,))
    assert [i.shape for i in analysis.inputs] == [(2, 3), (2, 1), (3,)]
    assert rows(analysis) == [("mul", 0), ("add", 0)]


def test_token_ids():
    net = nn.Sequential(nn.Embedding(100, 8), nn.Linear(8, 3))
    analysis = cnnstat.analyze(net, "1,16:int64")
    assert [(i.shape, i.dtype) for i in analysis.inputs] == [((1, 16), "int64")]
    assert row(analysis, "0").params == 100 * 8
    assert row(analysis, "0").outputs == ((1, 16, 8),)
    assert analysis.totals.macs == 16 * 8 * 3


def test_a_tensor_is_an_input_by_its_shape_and_dtype():
    ids = torch.full((1, 16), 99)
    analysis = cnnstat.analyze(nn.Embedding(100, 8), ids)
    assert [(i.shape, i.dtype) for i in analysis.inputs] == [((1, 16), "int64")]
    with pytest.raises(cnnstat.ShapeError, match="the largest index is 100, the table has 100"):
        cnnstat.analyze(nn.Embedding(100, 8), ids + 1)  # as a run with data


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


ONES = torch.ones(2, 3)


@pytest.mark.parametrize(
    ("argument", "add"),
    [
        ([ONES, ONES], lambda pair: pair[0] + pair[1]),
        ({"left": ONES, "right": [ONES]}, lambda pair: pair["left"] + pair["right"][0]),
        (Pair(ONES, ONES), lambda pair: pair.left + pair.right),
    ],
    ids=["list", "dict", "named tuple"],
)
def test_tensors_inside_an_input(argument, add):
    analysis = cnnstat.analyze(Function(add), argument)
    assert [i.shape for i in analysis.inputs] == [(2, 3), (2, 3)]
    assert analysis.totals.other_ops == 2 * 3


# What a forward may do


def test_modules_made_in_forward():
    analysis = cnnstat.analyze(Function(lambda x: nn.ReLU()(nn.Flatten()(nn.ReLU()(x)))), (1, 4, 2))
    assert rows(analysis) == [("relu", 0), ("flatten", 0), ("relu", 1)]
    assert row(analysis, "relu", 1).outputs == ((1, 8),)


def test_a_module_reached_through_a_closure_is_the_models_own():
    net = nn.Sequential(nn.Linear(4, 5))
    net.append(Function(lambda x: net[0](x[:, :4])))  # refers to the model, not to its copy
    analysis = cnnstat.analyze(net, (1, 4))
    assert rows(analysis) == [("0", 0), ("1", 0), ("1.getitem", 0), ("0", 1)]
    assert row(analysis, "0", 1).shared_with == "0"
    assert analysis.notes == ()


def test_a_compiled_model_is_the_model():
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    plain, compiled = (cnnstat.analyze(m, (1, 4)) for m in (net, torch.compile(net)))
    assert compiled.totals == plain.totals
    assert compiled.layers[0].total == plain.layers[0].total
    assert compiled.notes == ()


def test_mode_is_set_on_all_modules():
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout())
    net[1].train(False)
    in_eval = cnnstat.analyze(net, (1, 4))
    in_train = cnnstat.analyze(net, (1, 4), mode="train")
    assert (in_eval.mode, in_train.mode) == ("eval", "train")
    assert row(in_eval, "1").other_ops == 0
    assert row(in_train, "1").other_ops > 0  # it draws a mask


def test_a_model_that_behaves_differently_in_training():
    class Auxiliary(nn.Module):
        def __init__(self):
            super().__init__()
            self.main, self.auxiliary = nn.Linear(4, 2), nn.Linear(4, 3)

        def forward(self, x):
            return (self.main(x), self.auxiliary(x)) if self.training else self.main(x)

    in_train = cnnstat.analyze(Auxiliary(), (1, 4), mode="train")
    assert in_train.totals.macs == 4 * 2 + 4 * 3
    assert in_train.layers[0].outputs == ((1, 2), (1, 3))
    assert cnnstat.analyze(Auxiliary(), (1, 4)).totals.macs == 4 * 2


@pytest.mark.parametrize("context", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_gradient_modes_inside_forward_change_nothing(context):
    def forward(self, x, tokens):
        with context():
            return F.relu(self.conv(x)).flatten(1), self.linear(tokens)

    net = With(forward, conv=nn.Conv2d(3, 4, 3), linear=nn.Linear(4, 5))
    analysis = cnnstat.analyze(net, (1, 3, 8, 8), (1, 7, 4))
    assert rows(analysis) == [("conv", 0), ("relu", 0), ("flatten", 0), ("linear", 0)]
    assert analysis.totals.macs == 36 * 4 * 27 + 7 * 4 * 5
    assert analysis.totals.exact


def test_mixed_precision_inside_forward():
    # Autocast makes a layer take what it would refuse outside it: this model runs for real.
    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.linear(x.bfloat16())

    net = With(forward, linear=nn.Linear(4, 5))
    assert net(torch.zeros(1, 4)).shape == (1, 5)
    assert cnnstat.analyze(net, (1, 4)).totals.macs == 4 * 5


def test_constants_on_the_cpu_join_the_tensors_they_meet():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.ones(4)  # a plain attribute, no buffer
            self.positions = nn.Embedding(16, 4)

        def forward(self, x):
            x = x * self.scale + torch.arange(4)
            return x + self.positions(torch.arange(x.shape[1]))

    analysis = cnnstat.analyze(Net(), (2, 16, 4))
    assert analysis.layers[0].outputs == ((2, 16, 4),)
    assert analysis.totals.params == 16 * 4
    assert analysis.totals.other_ops == 3 * 2 * 16 * 4  # a product and two sums


def test_constants_keep_their_values_among_themselves():
    def forward(x):
        sizes = torch.tensor([1, 3])
        return x.split((sizes + 1).tolist(), dim=1)[1]

    assert cnnstat.analyze(Function(forward), (1, 6)).layers[0].outputs == ((1, 4),)


def test_a_model_that_catches_its_own_errors():
    def forward(self, x):
        try:
            return self.wrong(x)
        except RuntimeError:
            return self.right(x)

    net = With(forward, wrong=nn.Linear(5, 5), right=nn.Linear(4, 5))
    analysis = cnnstat.analyze(net, (1, 4))
    assert row(analysis, "wrong").outputs == ()
    assert analysis.totals.macs == 4 * 5


# Failures


def failing(forward):
    """The model stands two modules deep, so that messages must name its path."""
    return nn.Sequential(nn.Identity(), nn.Sequential(Function(forward)))


NEEDS_VALUES = [
    ("if", lambda x: x if x.sum() > 0 else -x),
    ("item", lambda x: x * x.mean().item()),
    ("int", lambda x: x[:, : int(x[0, 0])]),
    ("tolist", lambda x: x.tolist()),
    ("numpy", lambda x: x.numpy()),
    ("assert", lambda x: bool(torch.all(x > 0))),
]


@pytest.mark.parametrize("forward", [pytest.param(f, id=name) for name, f in NEEDS_VALUES])
def test_a_model_that_needs_values_is_told_where(forward):
    with pytest.raises(ModelError, match="needs values") as caught:
        cnnstat.analyze(failing(forward), (1, 4), lane="meta")
    assert not isinstance(caught.value, ShapeError)
    assert "1.0" in caught.value.message


OWN_ERRORS = [
    OSError("no such file"),
    AssertionError("height must be a multiple of 32"),
    ValueError("unknown mode"),
    RuntimeError("call setup() first"),
    KeyError("stage5"),
    AttributeError("no attribute 'head'"),
    NotImplementedError("forward of the base class"),
    ZeroDivisionError("division by zero"),
]


@pytest.mark.parametrize("error", OWN_ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_of_the_model_itself_is_no_shape_error(error):
    def forward(self, x):
        self.linear(x)  # an operator ran before: it is not to blame
        raise error

    with pytest.raises(ModelError) as caught:
        cnnstat.analyze(nn.Sequential(With(forward, linear=nn.Linear(4, 4))), (1, 4))
    assert not isinstance(caught.value, ShapeError)
    assert "fails at 0" in caught.value.message
    assert (caught.value.phase, caught.value.unfit) == ("forward", "model")
    assert type(error).__name__ in str(caught.value)
    assert str(error) in str(caught.value)


def test_a_model_without_forward():
    with pytest.raises(ModelError, match="fails at 0") as caught:
        cnnstat.analyze(nn.Sequential(nn.ModuleList()), (1, 4))
    assert "forward" in str(caught.value)


def test_a_move_to_the_cpu_needs_no_values():
    result = cnnstat.analyze(failing(lambda x: x.cpu() * 2), (1, 4), lane="meta")
    assert result.lane == "meta"
    assert result.layers[0].outputs == ((1, 4),)


# (model, input, what the message must tell: the layer, the sizes that clash)
MISMATCHES = [
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(5, 4, 3)), (1, 3, 8, 8),
     ["1 ", "Conv2d", "1×4×6×6", "takes 5 channels", "4 channels come from 0 "]),
    (nn.Sequential(nn.Flatten(), nn.Linear(10, 4)), (1, 3, 2, 2),
     ["1 ", "Linear", "1×12", "takes 10 features", "12 = 3 × 2 × 2"]),
    (nn.Sequential(nn.Linear(10, 4, bias=False)), (1, 5), ["Linear", "10", "5"]),
    (nn.Sequential(nn.Linear(10, 4)), (2, 3, 5), ["Linear", "10", "5"]),
    (nn.Sequential(nn.Conv2d(3, 4, 9)), (1, 3, 5, 5),
     ["Conv2d", "1×3×5×5", "the kernel takes 9×9"]),
    (nn.Sequential(nn.Conv2d(3, 4, 3)), (1, 3), ["Conv2d", "[1, 3]"]),  # too few dimensions
    (nn.Sequential(nn.Conv2d(8, 4, 3, groups=2)), (1, 6, 8, 8),
     ["Conv2d", "takes 8 channels", "input has 6"]),
    # torch's meta kernel would let this pass
    (nn.Sequential(nn.ConvTranspose2d(4, 6, 3)), (1, 3, 5, 5),
     ["ConvTranspose2d", "takes 4 channels", "input has 3"]),
    (nn.Sequential(nn.BatchNorm2d(3)), (1, 4, 5, 5), ["BatchNorm2d", "4", "3"]),
    (nn.Sequential(nn.GroupNorm(2, 4)), (1, 6, 5, 5), ["GroupNorm", "6", "4"]),
    (nn.Sequential(nn.LayerNorm(9)), (1, 4, 5), ["LayerNorm", "1×4×5", "9"]),
    (nn.Sequential(nn.MaxPool2d(9)), (1, 4, 5, 5), ["MaxPool2d", "1×4×5×5"]),
    (nn.Sequential(nn.LSTM(4, 4)), (1, 3, 5), ["LSTM", "4", "5"]),
    (nn.Sequential(nn.Unflatten(1, (2, 2))), (1, 5), ["Unflatten", "5"]),
    (nn.Sequential(nn.PixelShuffle(2)), (1, 3, 4, 4), ["PixelShuffle", "1×3×4×4"]),
    (failing(lambda x: x.view(1, 7)), (1, 8), ["1.0", "view", "1×8", "7"]),
    (failing(lambda x: x.reshape(1, 7)), (1, 8), ["1.0", "reshape", "1×8", "7"]),
    (failing(lambda x: x + x[:, :3]), (1, 8), ["1.0", "add", "1×8", "1×3"]),
    (failing(lambda x: torch.cat([x, x[:, :3]])), (1, 8), ["1.0", "cat", "1×8", "1×3"]),
    (failing(lambda x: x @ x), (2, 3), ["1.0", "2×3"]),
    (failing(lambda x: torch.einsum("ij,ij->", x, x.T)), (2, 3), ["1.0", "einsum", "2", "3"]),
    (failing(lambda x: x.transpose(1, 4)), (1, 2, 3), ["1.0", "transpose", "1×2×3", "4"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "shape", "told"),
    [pytest.param(*m, id="-".join(m[2][:2]).replace(" ", "")) for m in MISMATCHES],
)
def test_a_shape_error_names_the_layer_and_the_numbers(model, shape, told):
    with pytest.raises((RuntimeError, ValueError, IndexError)):
        model(torch.zeros(shape))  # it does not run for real either
    with pytest.raises(ShapeError) as caught:
        cnnstat.analyze(model, shape)
    for text in told:
        assert text in str(caught.value)


DTYPE_MISMATCHES = [
    ("half conv", nn.Conv2d(3, 4, 3).half(), (1, 3, 8, 8), "float32"),
    ("half linear", nn.Linear(4, 4).half(), (1, 4), "float32"),
    ("linear without bias", nn.Linear(4, 4, bias=False).bfloat16(), (1, 4), "float32"),
    ("linear on ints", nn.Linear(4, 4), (1, 4), "int64"),
    ("embedding of floats", nn.Embedding(4, 4), (1, 4), "float32"),
]


@pytest.mark.parametrize(
    ("model", "shape", "dtype"), [pytest.param(*d[1:], id=d[0]) for d in DTYPE_MISMATCHES]
)
def test_a_dtype_that_the_layer_does_not_take_is_an_error(model, shape, dtype):
    with pytest.raises(RuntimeError):
        model(torch.zeros(shape, dtype=getattr(torch, dtype)))  # it does not run for real
    with pytest.raises(ModelError):
        cnnstat.analyze(model, f"{','.join(map(str, shape))}:{dtype}")


def test_keyboard_interrupt_is_passed_on():
    def forward(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cnnstat.analyze(Function(forward), (1, 4))


def test_other_threads_are_not_recorded():
    def forward(self, x):
        other = threading.Thread(target=lambda: outside(torch.zeros(1, 4)))
        other.start()
        other.join()
        return self.linear(x)

    outside = nn.Linear(4, 4)
    analysis = cnnstat.analyze(With(forward, linear=nn.Linear(4, 2)), (1, 4))
    assert rows(analysis) == [("linear", 0)]
    assert analysis.totals.macs == 4 * 2


# Memory


def peak(net, *inputs):
    return cnnstat.analyze(net, *inputs).totals.peak_bytes


def test_peak_of_a_chain():
    # While a layer runs, its input and its output are alive, and the network's input always is.
    net = nn.Sequential(nn.Linear(10, 50), nn.ReLU(), nn.Linear(50, 20), nn.ReLU(inplace=True))
    params = (10 * 50 + 50) + (50 * 20 + 20)
    assert peak(net, (4, 10)) == FLOAT * (params + 4 * 10 + 4 * 50 + 4 * 50)  # at the first ReLU
    net[1] = nn.ReLU(inplace=True)
    assert peak(net, (4, 10)) == FLOAT * (params + 4 * 10 + 4 * 50 + 4 * 20)  # at the second layer


def test_peak_holds_what_a_shortcut_needs():
    net = With(lambda self, x: x.relu() + self.body(x), body=nn.Sequential(*[nn.Sigmoid()] * 4))
    # the input, the ReLU for the sum, and two maps of the body; then the body's result and the sum
    assert peak(net, (1, 100)) == FLOAT * 100 * 4


def test_peak_frees_what_is_deleted():
    def forward(x):
        wide = x.repeat(1, 10)
        narrow = wide[:, :5].relu()
        del wide
        return narrow.repeat(1, 20).relu()

    # 100 + 1000 + 5 while the ReLU runs; 100 + 5 + 100·… never reaches it: 100 + 5 + 100 + 100
    assert peak(Function(forward), (1, 100)) == FLOAT * (100 + 1000 + 5)


def test_peak_counts_a_view_with_what_it_is_a_view_of():
    # a slice keeps the whole map alive
    net = Function(lambda x: x.repeat(1, 10)[:, :5].relu())
    assert peak(net, (1, 100)) == FLOAT * (100 + 1000 + 5)


def test_peak_counts_parameters_and_buffers_once():
    tied = With(lambda self, x: self.b(self.a(x)), a=nn.Linear(8, 8), b=nn.Linear(8, 8))
    tied.b.weight = tied.a.weight
    params = 64 + 8 + 8
    assert peak(tied, (1, 8)) == FLOAT * (params + 3 * 8)
    net = nn.Sequential(nn.ReLU())
    net.register_buffer("mean", torch.zeros(3, dtype=torch.float64))
    assert peak(net, (1, 8)) == FLOAT * 2 * 8 + 3 * 8


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(64, 128), nn.Linear(64, 32)

    def forward(self, x):
        a = self.a(x)
        b = F.relu(self.b(x))
        joined = torch.cat([a, b], -1)
        del a
        joined += b.repeat(1, 5)
        return joined.sigmoid().view(-1) + joined.view(-1)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(32, 64), nn.Linear(64, 32)

    def forward(self, x):
        return F.relu(x + self.two(torch.tanh(self.one(x))))


class Dense(nn.Module):
    """Every layer sees all before it, and they all stay alive."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(16 * (i + 1), 16) for i in range(4)])

    def forward(self, x):
        maps = [x]
        for layer in self.layers:
            maps.append(layer(torch.cat(maps, 1)))
        return torch.cat(maps, 1)


ALLOCATING = [
    (nn.Sequential(nn.Linear(100, 200), nn.ReLU(), nn.Linear(200, 50), nn.Sigmoid()), (32, 100)),
    (nn.Sequential(nn.Linear(100, 200), nn.ReLU(inplace=True), nn.Linear(200, 50)), (32, 100)),
    (nn.Sequential(nn.MaxPool2d(2), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 7)),
     (2, 4, 16, 16)),
    (nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                   nn.Linear(4, 2)), (2, 4, 16, 16)),
    (Branches(), (16, 64)),
    (nn.Sequential(Residual(), Residual()), (8, 32)),
    (Dense(), (8, 16)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("net", "shape"), [pytest.param(*a, id=f"net{i}") for i, a in enumerate(ALLOCATING)]
)
def test_peak_equals_what_a_real_run_allocates(net, shape):
    # Networks of layers for which torch's CPU kernels take no workspace of their own.
    net, x = net.eval(), torch.zeros(shape)
    cpu = [ProfilerActivity.CPU]
    with torch.no_grad(), profile(activities=cpu, profile_memory=True) as run:
        net(x)
    events = [e for e in run.profiler.kineto_results.events() if e.name() == "[memory]"]
    allocated = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        allocated += event.nbytes()
        most = max(most, allocated)
    assert events
    held = x.nbytes + sum(t.nbytes for t in [*net.parameters(), *net.buffers()])
    assert peak(net, shape) == held + most


# Activation bytes: what a call made itself

MADE = [
    ("view first", nn.Sequential(nn.Flatten(), nn.Linear(8, 3)), (2, 2, 4), 2 * 3),
    ("in place first", nn.Sequential(nn.ReLU(inplace=True), nn.Linear(8, 3)), (2, 8), 2 * 3),
    ("nothing", nn.Sequential(nn.Identity(), nn.Dropout()), (2, 8), 0),
    ("view", nn.Sequential(nn.Linear(8, 6), nn.Unflatten(1, (2, 3))), (2, 8), 2 * 6),
    ("in place", nn.Sequential(nn.Linear(8, 6), nn.ReLU(inplace=True)), (2, 8), 2 * 6),
    ("not in place", nn.Sequential(nn.Linear(8, 6), nn.ReLU()), (2, 8), 2 * 6 + 2 * 6),
    ("+=", Function(lambda x: (x * x).__iadd__(x)), (2, 8), 2 * 8),
    ("slice", Function(lambda x: x.relu()[:, :3]), (2, 8), 2 * 8),
    ("copy", Function(lambda x: x.relu().t().contiguous()), (2, 8), 2 * 8 + 2 * 8),
    ("contiguous already", Function(lambda x: x.relu().contiguous()), (2, 8), 2 * 8),
    ("cat", Function(lambda x: torch.cat([x, x])), (2, 8), 4 * 8),
    # A container hands on what its children made.
    ("nested", nn.Sequential(nn.Sequential(nn.Sequential(nn.Sigmoid()))), (2, 8), 2 * 8),
]


@pytest.mark.parametrize(
    ("net", "shape", "elements"), [pytest.param(*m[1:], id=m[0]) for m in MADE]
)
def test_activation_bytes(net, shape, elements):
    analysis = cnnstat.analyze(net, shape)
    assert analysis.totals.activation_bytes == elements * FLOAT
    assert sum(r.activation_bytes for r in analysis.layers) == elements * FLOAT


# Receptive fields and strides


def field(net, *inputs):
    """(size, stride) of the model's output."""
    layer = cnnstat.analyze(net, *inputs).layers[0]
    return layer.receptive_field, layer.stride


def conv(kernel, **options):
    return nn.Conv2d(1, 1, kernel, **options)


# size = 1 + Σ (kernel - 1) · (product of the strides before), here for square kernels
STEM = 1 + 6 * 1 + 2 * 2  # ResNet: 7×7/2, pool 3×3/2
PUBLISHED = [
    # Araujo et al., "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019
    ("alexnet", 195, 1 + 10 * 1 + 2 * 4 + 4 * 8 + 2 * 8 + 3 * 2 * 16 + 2 * 16),
    ("vgg16", 212, 1 + (2 * 2 + 1) * 1 + (2 * 2 + 1) * 2 + (3 * 2 + 1) * (4 + 8 + 16)),
    # of four 3×3 convolutions in a stage the first works at the stride of the stage before
    ("resnet18", 435, STEM + 4 * 2 * 4 + 2 * (4 + 3 * 8) + 2 * (8 + 3 * 16) + 2 * (16 + 3 * 32)),
    # one 3×3 convolution in each of 3, 4, 6, 3 blocks
    ("resnet50", 427, STEM + 3 * 2 * 4 + 2 * (4 + 3 * 8) + 2 * (8 + 5 * 16) + 2 * (16 + 2 * 32)),
]


@pytest.mark.parametrize(("name", "published", "worked_out"), PUBLISHED)
def test_published_receptive_fields(name, published, worked_out):
    assert published == worked_out
    assert cnnstat.analyze(name).totals.receptive_field == (published, published)


def parallel(*branches, join=lambda *maps: torch.cat(maps, 1)):
    net = nn.ModuleList(branches)
    return With(lambda self, x: join(*(branch(x) for branch in self.branches)), branches=net)


def residual(body):
    return parallel(nn.Identity(), body, join=lambda x, y: x + y)


FIELDS = [  # (network on 1×1×64×64, size, stride)
    ("3×3", conv(3), (3, 3), (1, 1)),
    ("3×3 twice", nn.Sequential(conv(3), conv(3)), (5, 5), (1, 1)),
    ("1×1", conv(1), (1, 1), (1, 1)),
    ("1×5", conv((1, 5)), (1, 5), (1, 1)),
    ("dilated", conv(3, dilation=4), (9, 9), (1, 1)),  # (3 - 1)·4 + 1
    ("strides", nn.Sequential(conv(3, stride=2), conv(3, stride=(2, 3))), (7, 7), (4, 6)),
    ("pool", nn.Sequential(nn.MaxPool2d(2), conv(3)), (2 + 2 * 2, 6), (2, 2)),
    ("dilated pool", nn.MaxPool2d(2, 1, dilation=3), (4, 4), (1, 1)),
    ("padding does not widen", conv(3, padding=1), (3, 3), (1, 1)),
    ("elementwise", nn.Sequential(nn.ReLU(), nn.BatchNorm2d(1), nn.Dropout()), (1, 1), (1, 1)),
    ("adaptive to a divisor", nn.AdaptiveAvgPool2d(16), (4, 4), (4, 4)),
    # transposed: an output meets ⌈kernel/stride⌉ neighbouring inputs, in steps of 1/stride
    ("transposed 3", nn.ConvTranspose2d(1, 1, 3), (3, 3), (1, 1)),
    ("transposed 2/2", nn.ConvTranspose2d(1, 1, 2, stride=2), (1, 1), (0.5, 0.5)),
    ("transposed 4/2", nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1), (2, 2), (0.5, 0.5)),
    ("transposed, dilated", nn.ConvTranspose2d(1, 1, 3, dilation=2), (5, 5), (1, 1)),
    ("down, up", nn.Sequential(conv(2, stride=2), nn.ConvTranspose2d(1, 1, 2, 2)), (2, 2), (1, 1)),
    ("nearest", nn.Upsample(scale_factor=2), (1, 1), (0.5, 0.5)),
    ("bilinear", nn.Upsample(scale_factor=2, mode="bilinear"), (2, 2), (0.5, 0.5)),
    # branches: the union of what they see
    ("cat", parallel(conv(1), conv(3, padding=1), conv((5, 7), padding=(2, 3))), (5, 7), (1, 1)),
    ("residual", residual(nn.Sequential(conv(3, padding=1), conv(3, padding=1))), (5, 5), (1, 1)),
    ("strided branches", parallel(conv(3, stride=2, padding=1), nn.AvgPool2d(2)), (3, 3), (2, 2)),
    # one looks two to the left, the other two to the right: together five
    ("two sides", parallel(nn.Sequential(nn.ZeroPad2d((2, 0, 0, 0)), conv((1, 3))),
                           nn.Sequential(nn.ZeroPad2d((0, 2, 0, 0)), conv((1, 3)))),
     (1, 5), (1, 1)),
    *(("two sides, " + kind, parallel(nn.Sequential(getattr(nn, kind)((2, 0, 0, 0)), conv((1, 3))),
                                      nn.Sequential(getattr(nn, kind)((0, 2, 0, 0)), conv((1, 3)))),
       (1, 5), (1, 1)) for kind in ("ReflectionPad2d", "ReplicationPad2d")),
    ("crop", parallel(conv(5), Function(lambda x: x[:, :, 2:-2, 2:-2])), (5, 5), (1, 1)),
    ("crop aside", parallel(conv(3), Function(lambda x: x[:, :, 1:-1, 2:])), (3, 3), (1, 1)),
    ("every other", nn.Sequential(Function(lambda x: x[..., ::2, :]), conv(3)), (5, 3), (2, 1)),
    ("halves of the channels", nn.Sequential(nn.Conv2d(1, 4, 3), Function(
        lambda x: torch.cat([half.relu() for half in x.chunk(2, 1)][::-1], 1))), (3, 3), (1, 1)),
    ("one channel", Function(lambda x: F.avg_pool2d(x, 2)[:, 0]), (2, 2), (2, 2)),
    ("up and window", nn.Sequential(nn.Upsample(scale_factor=2), conv(3)), (2, 2), (0.5, 0.5)),
    # all of one axis
    ("row pool", nn.AdaptiveAvgPool2d((1, 8)), (64, 8), (1, 8)),
    ("softmax over a row", Function(lambda x: x.softmax(-1)), (1, 64), (1, 1)),
    ("roll", Function(lambda x: x + x.roll(5, -1)), (1, 6), (1, 1)),
    ("halves of the rows", Function(lambda x: x.split(32, 2)[1]), (1, 1), (1, 1)),
    # the axes are those of the input, wherever the dimensions go
    ("transposed map", nn.Sequential(conv((1, 3)), Function(lambda x: x.transpose(2, 3)),
                                     conv((1, 5))), (5, 3), (1, 1)),
    ("channels last", Function(lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (1,))),
     (1, 1), (1, 1)),
    ("patches as tokens", nn.Sequential(
        nn.Conv2d(1, 6, 8, stride=8), nn.Flatten(2), Function(lambda x: x.transpose(1, 2)),
        nn.Linear(6, 4), nn.GELU()), (8, 8), (8, 8)),
]  # fmt: skip


@pytest.mark.parametrize(("net", "size", "stride"), [pytest.param(*f[1:], id=f[0]) for f in FIELDS])
def test_receptive_field(net, size, stride):
    assert field(net, (1, 1, 64, 64)) == (size, stride)


@pytest.mark.parametrize(("dims", "layer"), [(1, nn.Conv1d), (2, nn.Conv2d), (3, nn.Conv3d)])
def test_receptive_field_of_maps_of_any_dimension(dims, layer):
    net = nn.Sequential(layer(2, 3, 3, stride=2), layer(3, 4, 3))
    assert field(net, (1, 2, *[16] * dims)) == ((7,) * dims, (2,) * dims)


def test_receptive_field_without_a_batch_dimension():
    assert field(nn.Conv2d(3, 4, (3, 5)), (3, 16, 16)) == ((3, 5), (1, 1))


def attend(x):
    tokens = x.flatten(2).transpose(1, 2)
    return F.scaled_dot_product_attention(tokens, tokens, tokens)


def end_from_a_mean(x):
    y = x.clone()
    y[..., :4] = F.avg_pool2d(x, 5, 1, 2)[..., :4]
    return y


class Unet(nn.Module):
    """Two levels; its transposed convolutions enlarge as the pools reduce."""

    def __init__(self, kernel, scale, join):
        super().__init__()
        padding = (kernel - 1) // 2
        extra = scale - kernel + 2 * padding
        self.layers = nn.ModuleList(conv(3, padding=1) for _ in range(4))
        self.decoders = nn.ModuleList(
            nn.Conv2d(2 if join is torch.cat else 1, 1, 3, padding=1) for _ in range(2)
        )
        self.enlarge = nn.ModuleList(
            nn.ConvTranspose2d(1, 1, kernel, scale, padding, extra) for _ in range(2)
        )
        self.scale, self.join = scale, join

    def forward(self, x):
        skips = []
        for layer in self.layers[:2]:
            skips.append(layer(x))
            x = F.avg_pool2d(skips[-1], self.scale)
        x = self.layers[2](x)
        for enlarge, decoder in zip(self.enlarge, self.decoders, strict=True):
            skip, x = skips.pop(), enlarge(x)
            x = decoder(torch.cat([x, skip], 1) if self.join is torch.cat else x + skip)
        return x


@pytest.mark.parametrize("join", [torch.cat, torch.add])
@pytest.mark.parametrize(("kernel", "scale"), [(3, 2), (5, 2), (5, 3)])
def test_receptive_field_where_an_uneven_enlargement_meets_a_skip(kernel, scale, join):
    """The largest of what the positions in the middle really see."""
    net = Unet(kernel, scale, join).requires_grad_(False)
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    x = torch.ones(1, 1, 108, 108, requires_grad=True)
    y = net(x)
    largest = 0
    for row in range(50, 60):
        (gradient,) = torch.autograd.grad(y[0, 0, row, 54], x, retain_graph=True)
        rows = gradient[0, 0].sum(1).nonzero()
        largest = max(largest, int(rows.max() - rows.min()) + 1)
    assert field(net, (1, 1, 108, 108)) == ((largest, largest), (1, 1))


NO_FIELD = [  # (network on 1×1×64×64, why no size can be stated)
    ("global pool", nn.AdaptiveAvgPool2d(1), "whole input"),
    ("mean", Function(lambda x: x.mean((2, 3))), "whole input"),
    ("classifier", nn.Sequential(nn.Flatten(), nn.Linear(64 * 64, 2)), "whole input"),
    ("attention", Function(attend), "whole input"),
    ("gate", Function(lambda x: x * x.mean((2, 3), keepdim=True).sigmoid()), "whole input"),
    ("softmax over positions", Function(lambda x: x.flatten(2).softmax(-1)), "whole input"),
    ("two scales", Function(lambda x: F.avg_pool2d(x, 2) + x[..., :32, :32]),
     "branches of different strides meet"),
    ("cat along positions", Function(lambda x: torch.cat([x, x], 3)),
     "positions of several maps in a row"),
    ("flip", Function(lambda x: x + x.flip(-1)), "branches of different strides meet"),
    # the largest of the uneven windows may be missing, or several are combined
    ("uneven pools", nn.Sequential(nn.AdaptiveAvgPool2d(11), nn.AdaptiveAvgPool2d(3)),
     "windows of different sizes"),
    ("every third uneven window", Function(lambda x: F.adaptive_avg_pool2d(x, 11)[..., ::3]),
     "windows of different sizes"),
    ("mean of uneven windows", Function(lambda x: F.adaptive_avg_pool2d(x, 11)[..., :3].mean(-1)),
     "windows of different sizes"),
    ("an end sees more", Function(end_from_a_mean), "not followed through copy_"),
    # positions change places or meet those far away
    ("cumsum", Function(lambda x: x.cumsum(-1)), "not followed through cumsum"),
    ("sort", Function(lambda x: x.sort(-1)[0]), "not followed through sort"),
    ("index", Function(lambda x: x[..., torch.arange(63, -1, -1)]), "not followed through index"),
]  # fmt: skip


@pytest.mark.parametrize(("net", "reason"), [pytest.param(*n[1:], id=n[0]) for n in NO_FIELD])
def test_no_receptive_field_and_why(net, reason):
    layer = cnnstat.analyze(net, (1, 1, 64, 64)).layers[0]
    assert (layer.receptive_field, layer.stride) == (None, None)
    assert layer.receptive_field_reason == reason


def test_inputs_without_positions_have_no_receptive_field():
    for net, shape in [(nn.Linear(4, 4), (2, 4)), (nn.Embedding(9, 4), "2,7:int64")]:
        layer = cnnstat.analyze(net, shape).layers[0]
        assert layer.receptive_field is None
        assert layer.receptive_field_reason == "no spatial input"


WINDOWS = st.tuples(
    st.sampled_from(["conv", "pool", "transposed"]),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),  # kernel
    st.tuples(st.integers(1, 2), st.integers(1, 2)),  # stride
    st.integers(1, 2),  # dilation
    st.integers(0, 1),  # padding
)


def window(kind, kernel, stride, dilation, padding):
    if kind == "conv":
        return conv(kernel, stride=stride, dilation=dilation, padding=padding, bias=False)
    if kind == "transposed":  # without a stride: with one, not all positions see equally much
        return nn.ConvTranspose2d(1, 1, kernel, padding=padding, dilation=dilation, bias=False)
    return nn.AvgPool2d(kernel, stride, tuple(min(padding, k // 2) for k in kernel))


def seen(net, side):
    """Extent and step of what reaches the middle of the output of a real run, by its gradient.

    With weights of one nothing cancels, so the gradient is nonzero exactly where it reaches.
    """
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    x = torch.ones(1, 1, side, side, requires_grad=True)
    y = net(x)
    row, column = (n // 2 for n in y.shape[2:])

    def extent(*position):
        (gradient,) = torch.autograd.grad(y[0, :, *position].sum(), x, retain_graph=True)
        positions = gradient[0, 0].nonzero()
        return positions.min(0).values, positions.max(0).values

    low, high = extent(row, column)
    next_low, _ = extent(row + 1, column + 1)
    return tuple((high - low + 1).tolist()), tuple((next_low - low).tolist())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(WINDOWS, min_size=1, max_size=3), st.booleans())
def test_receptive_field_is_what_really_reaches_an_output(windows, joined):
    net = nn.Sequential(*(window(*w) for w in windows))
    if joined:  # with another branch of the same stride
        net = nn.Sequential(net, parallel(conv(1), conv((5, 3), padding=(2, 1))))
    # three windows that span 7 at stride 2 and a branch of 5 see 1 + 6 + 12 + 24 + 4·8 = 75
    side = 128
    assert field(net, (1, 1, side, side)) == seen(net, side)


# Depth: layers with weights on the longest path, as the names of networks count them


DEPTHS = [
    ("lenet", 5), ("alexnet", 8), ("vgg11", 11), ("vgg13", 13), ("vgg16", 16), ("vgg19", 19),
    ("vgg19-bn", 19), ("nin", 4 * 3), ("googlenet", 22), ("resnet18", 18), ("resnet34", 34),
    ("resnet50", 50), ("resnet101", 101), ("resnet152", 152), ("densenet121", 121),
]  # fmt: skip


@pytest.mark.parametrize(("name", "depth"), DEPTHS)
def test_depth_is_the_number_in_the_name(name, depth):
    assert cnnstat.analyze(name).totals.depth == depth


SHALLOW = [
    ("no weights", nn.Sequential(nn.ReLU(), nn.AvgPool2d(2)), 0),
    ("a constant", Function(lambda x: x + torch.ones(8)), 0),
    ("norms do not count", nn.Sequential(conv(1), nn.BatchNorm2d(1), conv(1)), 2),
    ("side by side", parallel(conv(1), conv(1), conv(1)), 1),
    ("the longer branch", parallel(conv(1), nn.Sequential(conv(1), conv(1)), nn.Identity()), 2),
    ("residual", nn.Sequential(residual(conv(1)), residual(conv(1))), 2),
    ("in place", nn.Sequential(conv(1), nn.ReLU(inplace=True), conv(1)), 2),
    ("product of activations", nn.Sequential(conv(1), Function(lambda x: x @ x)), 1),
    ("computed weight", nn.Sequential(weight_norm(conv(1)), weight_norm(conv(1))), 2),
]


@pytest.mark.parametrize(("net", "depth"), [pytest.param(*s[1:], id=s[0]) for s in SHALLOW])
def test_depth(net, depth):
    assert cnnstat.analyze(net, (1, 1, 8, 8)).totals.depth == depth


def test_a_forward_without_return_is_noted() -> None:
    class Silent(nn.Linear):
        def forward(self, x: torch.Tensor) -> None:  # type: ignore[override]
            super().forward(x)

    note = "forward returns None: is a return missing?"
    assert note in cnnstat.analyze(Silent(4, 2), (1, 4)).notes
    assert note not in cnnstat.analyze(nn.Linear(4, 2), (1, 4)).notes


@pytest.mark.parametrize(
    "returned",
    [lambda y: float(y.sum()), lambda y: int(y.sum()), lambda y: "text", lambda y: y.tolist(),
     lambda y: y.shape, lambda y: {"loss": 1.0}, lambda y: y.numpy(), lambda y: ()],
    ids=["float", "int", "text", "list", "shape", "dict", "array", "nothing inside"],
)  # fmt: skip
def test_a_forward_that_returns_no_tensor_has_a_return(returned) -> None:
    net = nn.Linear(4, 2)
    found = cnnstat.analyze(With(lambda self, x: returned(self.net(x)), net=net), (1, 4))
    assert not [note for note in found.notes if "return" in note]
