"""Lanes: where a model runs that does not run on `meta`, what is said of it, and that the figures
do not depend on it."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import cnnstat
from cnnstat.cli.main import run
from cnnstat.errors import LaneError, ModelError, ShapeError
from cnnstat.inputs import InputSpec
from cnnstat.models.construction import construct
from cnnstat.models.zoo.catalog import CATALOG
from cnnstat.tracing.run import lane_selection
from cnnstat.tracing.run.lane_selection import Builders
from tests.networks import With


class Function(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.linear = nn.Linear(4, 6)
        self.function = forward

    def forward(self, x):
        return self.function(self.linear(x))


# What the forward asks for, and the lane that has it.
NEEDS = [
    ("nothing", lambda x: x.relu(), "meta"),
    ("a mask", lambda x: x[x > 0], "meta"),
    ("nonzero", torch.nonzero, "meta"),
    ("the CPU", lambda x: x.cpu(), "meta"),
    ("a branch by device", lambda x: x.relu() if x.device.type == "cpu" else x.fused(), "fake"),
    ("autocast by device", lambda x: torch.autocast(x.device.type, enabled=False) and x, "meta"),
    ("a condition", lambda x: x if x.sum() > 0 else -x, "cpu"),
    ("item", lambda x: x * x.mean().item(), "cpu"),
    ("tolist", lambda x: torch.tensor(x.tolist()), "cpu"),
    ("numpy", lambda x: torch.from_numpy(x.numpy()), "cpu"),
    ("an assertion", lambda x: x if bool(torch.isfinite(x).all()) else None, "cpu"),
    ("unique", lambda x: torch.unique(x.round()), "cpu"),
    ("a table by device", lambda x: {"cpu": x}[x.device.type], "fake"),
    ("its own check", lambda x: _refuse_meta(x), "cpu"),
    ("a branch on meta", lambda x: x if x.is_meta else x.relu(), "fake"),
    ("its name", lambda x: x if x.device.type == "meta" else x.relu(), "fake"),
    ("its name first", lambda x: x if "meta" in x.device.type else x.relu(), "fake"),
    ("its device", lambda x: x if x.device == torch.device("meta") else x.relu(), "fake"),
    ("one of several", lambda x: x if str(x.device) in ("meta", "mps") else x.relu(), "fake"),
    ("values off meta", lambda x: x * (0.5 if x.is_meta else x.mean().item()), "cpu"),
    ("a key called meta", lambda x: {"meta": x.to(x.device)}["meta"], "meta"),
]


def _refuse_meta(x):
    if type(x) is not torch.Tensor or x.device.type != "cpu":
        raise OSError("only on the CPU")
    return x


@pytest.mark.parametrize(("forward", "lane"), [pytest.param(f, k, id=n) for n, f, k in NEEDS])
def test_the_first_lane_that_works(forward, lane):
    analysis = cnnstat.analyze(Function(forward), (3, 4))
    assert analysis.lane == lane
    assert analysis.totals.macs == 3 * 4 * 6
    assert any(f"run on the {lane} lane: " in note for note in analysis.notes) == (lane != "meta")


LANES = ["meta", "fake", "cpu"]
LAYERS = [
    (nn.Conv2d(4, 6, 3, groups=2, padding="same"), (1, 4, 6, 6)),
    (nn.ConvTranspose2d(4, 6, 3, stride=2), (1, 4, 6, 6)),
    (nn.Conv1d(4, 6, 3), (4, 9)),  # without a batch
    (nn.Conv3d(4, 6, 3), (1, 4, 5, 5, 5)),
    (nn.Linear(4, 6), (2, 3, 4)),
    (nn.Bilinear(4, 4, 3), ((2, 4), (2, 4))),
    (nn.LSTM(4, 6, 2, bidirectional=True), (5, 2, 4)),
    (nn.GRU(4, 6), (5, 2, 4)),
    (nn.RNN(4, 6, bias=False, batch_first=True), (2, 5, 4)),
    (nn.MultiheadAttention(8, 2, batch_first=True), ((2, 5, 8),) * 3),
    (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8)),
    (nn.BatchNorm2d(4), (2, 4, 3, 3)),
    (nn.Sequential(nn.LayerNorm(4), nn.GELU(), nn.Softmax(1)), (2, 4)),
]


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=lambda v: type(v).__name__)
def test_layers_cost_the_same_on_every_lane(layer, shapes):
    inputs = shapes if isinstance(shapes[0], tuple) else (shapes,)
    meta, fake, cpu = (cnnstat.analyze(layer, *inputs, lane=lane) for lane in LANES)
    assert meta.totals.macs == fake.totals.macs == cpu.totals.macs
    assert meta.layers[0].outputs == fake.layers[0].outputs == cpu.layers[0].outputs
    assert meta.totals.exact
    assert cpu.totals.exact


def test_attention_costs_the_same_on_every_lane():
    class Attention(nn.Module):
        def forward(self, q, k, v):
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    shapes = (2, 3, 5, 8), (2, 3, 5, 8), (2, 3, 5, 8)
    for lane in LANES:  # [b,h,q,d] @ [b,h,k,d]ᵀ, then @ [b,h,k,d]; a causal mask is not discounted
        assert cnnstat.analyze(Attention(), *shapes, lane=lane).totals.macs == 2 * (
            2 * 3 * 5 * 5 * 8
        )


@pytest.mark.parametrize("name", ["lenet", "nin", "resnet18", "googlenet", "densenet121"])
def test_networks_cost_the_same_on_every_lane(name):
    shape = (1, *CATALOG[name].input[1:])
    analyses = [cnnstat.analyze(name, shape, lane=lane) for lane in LANES]
    figures = [(a.totals.params, a.totals.macs, a.totals.receptive_field) for a in analyses]
    assert figures[0] == figures[1] == figures[2]
    outputs = [[(layer.path, layer.outputs) for layer in a.layers] for a in analyses]
    assert outputs[0] == outputs[1] == outputs[2]


@pytest.mark.parametrize("lane", LANES)
def test_the_lane_asked_for_is_the_lane_used(capsys, lane):
    assert run(["shapes", "lenet", "--lane", lane, "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["lane"] == lane
    assert printed["totals"]["macs"] == 281_640 + 134_880  # conv + linear
    assert not any("lane" in note for note in printed["notes"])


def test_a_lane_that_there_is_not():
    with pytest.raises(cnnstat.CnnstatError, match="unknown lane 'gpu'"):
        cnnstat.analyze("nin", lane="gpu")


# Bounds


def test_sizes_by_value_are_taken_at_their_largest():
    class Sparse(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 5)

        def forward(self, x):
            x = self.first(x)
            rows = x[x.sum(1) > 0]  # as many of the 3 rows as there are
            return self.second(rows)

    analysis = cnnstat.analyze(Sparse(), (3, 4))
    bounded = analysis.totals.bounded
    assert bounded.ops == {"aten.index": 1}
    assert bounded.fixed_macs == 3 * 4 * 6
    assert [(p.rows, p.macs, p.macs_per_row, p.path) for p in bounded.parts] == [
        (3, 3 * 6 * 5, 6 * 5, "second")
    ]
    assert analysis.totals.macs == 3 * 4 * 6 + 3 * 6 * 5
    assert not analysis.totals.exact
    text = str(analysis)
    assert "at most 162" in text
    assert "an upper bound" in text
    assert "MACs: 72 fixed + 3 × 30 in second" in text


def test_a_bound_that_nothing_depends_on_leaves_the_totals_exact():
    analysis = cnnstat.analyze(Function(torch.nonzero), (3, 4))
    assert analysis.totals.bounded.fixed_macs == analysis.totals.macs == 72
    assert analysis.totals.exact
    assert analysis.layers[0].outputs == ((18, 2),)  # every element of 3×6, two indices each


def test_on_the_cpu_the_values_decide():
    net = Function(lambda x: x[x > 1e9])
    analysis = cnnstat.analyze(net, (3, 4), lane="cpu")
    assert analysis.layers[0].outputs == ((0,),)
    assert "as these values gave them" in str(analysis)


def _rows(x):  # small whole numbers of the first column
    return (3 * x[:, 0]).abs().long()


BY_VALUES = {  # each gives rows for a Linear(8, 8): x is 16×8
    "unique": lambda x: torch.unique(x.round(), dim=0),
    "consecutive": lambda x: torch.unique_consecutive(x.round(), dim=0),
    "counts": lambda x: x[: torch.unique(_rows(x), return_counts=True)[1].shape[0]],
    "repeated": lambda x: x.repeat_interleave(_rows(x), dim=0),
    "bins": lambda x: torch.bincount(_rows(x)).float()[:, None].expand(-1, 8),
}
BY_SHAPES = {
    "unique numbers": lambda x: x[torch.unique(torch.arange(16) // 2)],
    "an index for each row": lambda x: x[torch.unique(_rows(x), return_inverse=True)[1]],
    "each row twice": lambda x: x.repeat_interleave(2, dim=0),
    "row i i times": lambda x: x.repeat_interleave(torch.arange(16), dim=0),
    "enough bins": lambda x: torch.bincount(_rows(x), minlength=99).float()[:, None].expand(-1, 8),
    "pairs, on the CPU": lambda x: x[torch.combinations(torch.arange(16))[:, 0]],
}


class Rows(nn.Module):
    def __init__(self, choose):
        super().__init__()
        self.choose, self.linear = choose, nn.Linear(8, 8)

    def forward(self, x):
        return self.linear(self.choose(x))


@pytest.mark.parametrize("name", BY_VALUES)
def test_sizes_that_follow_from_values_are_not_exact(name):
    analysis = cnnstat.analyze(Rows(BY_VALUES[name]), (16, 8))
    assert not analysis.totals.exact or name == "counts"  # a slice of x, by a number that was read
    assert "depend on values" in str(analysis)


@pytest.mark.parametrize(
    ("name", "rows"), list(zip(BY_SHAPES, [8, 16, 32, 120, 99, 120], strict=True))
)
def test_sizes_that_follow_from_shapes_are_exact(name, rows):
    lane = "cpu" if "CPU" in name else None
    totals = cnnstat.analyze(Rows(BY_SHAPES[name]), (16, 8), lane=lane).totals
    assert (totals.macs, totals.exact) == (rows * 64, True)


def test_values_that_are_given_are_used_on_the_cpu():
    class Count(nn.Module):
        def forward(self, x):
            return torch.zeros(int(x.sum()))

    analysis = cnnstat.analyze(Count(), torch.tensor([2, 3]))
    assert analysis.lane == "cpu"
    assert analysis.layers[0].outputs == ((5,),)


# What stops a model


def test_a_model_too_large_to_be_executed_says_so(monkeypatch):
    monkeypatch.setattr(lane_selection, "available_bytes", lambda: 2 * 2**20)
    net = nn.Sequential(nn.Linear(512, 1024), Function(lambda x: x * x.mean().item()))
    net[1].linear = nn.Linear(1024, 6)
    with pytest.raises(ModelError) as caught:
        cnnstat.analyze(net, (1, 512))
    message = str(caught.value)
    assert "the model needs values at 1.item()" in message
    assert "fake lane: the model needs values" in message
    assert "cpu lane: its parameters take 2.03 MiB, and 1.00 MiB of memory are left" in message


def test_activations_too_large_to_be_executed(monkeypatch):
    monkeypatch.setattr(lane_selection, "available_bytes", lambda: 2 * 2**20)
    net = Function(lambda x: x.repeat(1000, 1) * x.mean().item())
    with pytest.raises(ModelError, match="needs values") as caught:
        cnnstat.analyze(net, (1000, 4))
    assert "activations take more than" in str(caught.value)


def test_an_input_too_large_to_be_executed(monkeypatch):
    monkeypatch.setattr(lane_selection, "available_bytes", lambda: 2 * 2**20)
    with pytest.raises(ModelError, match="needs values") as caught:
        cnnstat.analyze(Function(lambda x: x * x.mean().item()), (2**40, 4))
    assert "cpu lane: an input takes 16.0 TiB, and 1.00 MiB of memory are left" in str(caught.value)


def test_a_kernel_that_gets_no_memory_is_no_shape_error():
    net = Function(lambda x: x.mean().item() * x.new_zeros(2**50))
    with pytest.raises(LaneError, match="the memory does not suffice at new_zeros") as caught:
        cnnstat.analyze(net, (3, 4), lane="cpu")
    assert not isinstance(caught.value, ShapeError)


def test_a_constructor_that_fails_with_data_stops_the_lane():
    def with_data():
        raise OSError("no room")

    net = Function(lambda x: x * x.mean().item()).to("meta")
    builders = Builders(lambda: net, with_data)
    with pytest.raises(ModelError, match="needs values") as caught:
        lane_selection.trace_on_lanes(net, builders, [InputSpec((3, 4))], {})
    assert "cpu lane: it cannot be built with data: OSError: no room" in str(caught.value)


def test_the_lane_of_a_branch_on_meta_is_explained():
    model = Function(lambda x: x if x.is_meta else x @ x.T)
    analysis = cnnstat.analyze(model, (3, 4))
    assert analysis.totals.macs == 3 * 4 * 6 + 3 * 3 * 6
    (note,) = analysis.notes
    assert note.startswith(
        "run on the fake lane: the model asks whether it is on the device meta ("
    )
    with pytest.raises(LaneError, match="asks whether it is on the device meta") as caught:
        cnnstat.analyze(model, (3, 4), lane="meta")
    assert caught.value.hint.startswith('lane="auto"')


class Ranked(nn.Module):
    """Its constructor reads back a table of values that it changed by a tensor."""

    def __init__(self):
        super().__init__()
        sizes = torch.arange(4)
        sizes.copy_(torch.full((4,), 6))
        self.linear = nn.Linear(4, int(sizes[0]))


def test_a_table_changed_during_construction_has_its_new_values():
    assert construct(Ranked, {}).linear.out_features == 6


def test_shapes_that_do_not_fit_are_not_tried_elsewhere(monkeypatch):
    monkeypatch.setattr(lane_selection, "fake_lane", lambda: pytest.fail("tried on the fake lane"))
    monkeypatch.setattr(lane_selection, "cpu_lane", lambda limit: pytest.fail("executed"))
    with pytest.raises(ShapeError):
        cnnstat.analyze(Function(lambda x: x.view(7, -1)), (3, 4))


def test_a_failure_of_its_own_is_what_plain_torch_says():
    def forward(x):
        raise OSError(f"on {x.device.type}")

    with pytest.raises(ModelError, match="the model fails at") as caught:
        cnnstat.analyze(Function(forward), (3, 4))
    assert "OSError: on cpu" in str(caught.value)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("output_padding", [0, 1, 2, (0, 1)])
def test_a_transposed_convolution_is_refused_where_torch_refuses_it(
    stride, dilation, output_padding
):
    layer = nn.ConvTranspose2d(
        2, 3, 3, stride=stride, dilation=dilation, output_padding=output_padding
    )
    try:
        real = layer(torch.rand(1, 2, 5, 5)).shape
    except RuntimeError:
        with pytest.raises(ShapeError, match="output padding"):
            cnnstat.analyze(layer, (1, 2, 5, 5))
    else:
        assert cnnstat.analyze(layer, (1, 2, 5, 5)).layers[0].outputs == (tuple(real),)


@pytest.mark.parametrize("cls", [nn.Conv2d, nn.ConvTranspose2d])
@pytest.mark.parametrize("window", [{"stride": 0}, {"dilation": 0}, {"padding": -1}])
def test_a_convolution_with_a_window_that_torch_refuses(cls, window):
    layer = cls(2, 3, 3, **window)
    with pytest.raises(RuntimeError):
        layer(torch.rand(1, 2, 8, 8))
    with pytest.raises(ShapeError, match=f"the {next(iter(window))} .* must"):
        cnnstat.analyze(layer, (1, 2, 8, 8))


@pytest.mark.parametrize("size", [2**62, 10**25])
def test_an_input_that_no_tensor_can_have(size):
    with pytest.raises(ModelError, match="is larger than any memory"):
        cnnstat.analyze(nn.Linear(4, 4), (size, size, 4))


STATES = {  # created on the CPU, in forward
    "zeros": lambda x: torch.zeros(1, x.size(1), 4),
    "drawn": lambda x: torch.randn(1, x.size(1), 4),
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize(("layer", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_states_of_recurrent_layers_that_forward_creates(layer, gates, state):
    def forward(self, x):
        h = state(x)
        return self.rnn(x, (h, h) if gates == 4 else h)[0]

    model = With(forward, rnn=layer(8, 4))
    analysis = cnnstat.analyze(model, (5, 2, 8), training=True)
    assert analysis.lane == "meta"
    assert analysis.totals.macs == 5 * 2 * gates * 4 * (8 + 4)
    memory = cnnstat.memory(model, (5, 2, 8), optimizer="sgd")
    assert memory.peak_bytes > 0


def test_forward_mode_derivatives_are_counted():
    def forward(self, x):
        of = lambda value: self.layer(value).tanh()  # noqa: E731  # as people write it
        return torch.func.jvp(of, (x,), (torch.ones_like(x),))[1]

    model = With(forward, layer=nn.Linear(8, 6))
    totals = cnnstat.analyze(model, (2, 8)).totals
    with FlopCounterMode(display=False) as counter:
        model(torch.ones(2, 8))
    assert totals.exact
    assert totals.flops == counter.get_total_flops() > 2 * 2 * (2 * 8 * 6)
