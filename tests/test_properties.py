"""Generated networks: what is said of them equals what a real run on the CPU does.

Networks are drawn layer by layer, each layer tried on real data first, so that the next one can be
drawn to fit. The real run is observed by forward hooks, which know nothing of cnnstat.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import cnnstat
from cnnstat.errors import ShapeError

checked = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],  # a network takes its time to draw
)

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
MAX_POOLS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
AVG_POOLS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
BATCH_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
ADAPTIVE = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
FUNCTIONAL_CONVS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
FUNCTIONAL_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


class Residual(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return F.relu(x + self.body(x))


class Branches(nn.Module):
    def __init__(self, branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Functional(nn.Module):
    """Code with functions; each step is one operator, and the shape it made is written down."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def forward(self, x):
        self.made = []
        for step in self.steps:
            x = step(x)
            self.made.append(tuple(x.shape))
        return x


class FunctionalConv(nn.Module):
    """A convolution written with its function instead of its layer."""

    def __init__(self, channels, out_channels, dims):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, channels, *[1] * dims))

    def forward(self, x):
        return FUNCTIONAL_CONVS[self.weight.dim() - 2](x, self.weight)


# Drawing a network


def spatial(x):
    return x.shape[2:]


@st.composite
def conv(draw, x):
    """A convolution that fits: along each dimension its window is no larger than the map."""
    kernel, stride, padding, dilation = [], [], [], []
    for size in spatial(x):
        kernel.append(draw(st.integers(1, min(5, size))))
        padding.append(draw(st.integers(0, 2)))
        fitting = [d for d in (1, 2, 3) if d * (kernel[-1] - 1) + 1 <= size + 2 * padding[-1]]
        dilation.append(draw(st.sampled_from(fitting)))
        stride.append(draw(st.integers(1, 3)))
    groups = draw(st.sampled_from([g for g in (1, 2, 3, x.shape[1]) if x.shape[1] % g == 0]))
    out = groups * draw(st.integers(1, 3))
    return CONVS[len(kernel)](
        x.shape[1], out, tuple(kernel), tuple(stride), tuple(padding), tuple(dilation), groups,
        bias=draw(st.booleans()),
    )  # fmt: skip


@st.composite
def transposed_conv(draw, x):
    groups = draw(st.sampled_from([g for g in (1, 2) if x.shape[1] % g == 0]))
    stride = draw(st.integers(1, 2))
    return TRANSPOSED[len(spatial(x))](
        x.shape[1], groups * draw(st.integers(1, 2)), draw(st.integers(1, 3)), stride,
        output_padding=draw(st.integers(0, stride - 1)), groups=groups, bias=draw(st.booleans()),
    )  # fmt: skip


@st.composite
def pool(draw, x):
    kernel = tuple(draw(st.integers(1, min(4, size))) for size in spatial(x))
    stride = tuple(draw(st.integers(1, 3)) for _ in kernel)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    pools = draw(st.sampled_from([MAX_POOLS, AVG_POOLS]))
    return pools[len(kernel)](kernel, stride, padding, ceil_mode=draw(st.booleans()))


def elementwise(x):
    channels, dims = x.shape[1], len(spatial(x))
    return st.sampled_from([
        nn.ReLU(), nn.ReLU(inplace=True), nn.GELU(), nn.Dropout(), nn.Identity(), nn.Softmax(1),
        nn.PReLU(channels), BATCH_NORMS[dims](channels), nn.GroupNorm(1, channels),
        nn.LayerNorm(tuple(spatial(x))), nn.LocalResponseNorm(3),
    ])  # fmt: skip


@st.composite
def residual(draw, x):
    kernel = draw(st.sampled_from([1, 3, 5]))
    same = CONVS[len(spatial(x))](x.shape[1], x.shape[1], kernel, padding=kernel // 2)
    return Residual(nn.Sequential(same, *draw(st.lists(elementwise(x), max_size=2))))


@st.composite
def branches(draw, x):
    """Convolutions of one stride with centred windows, so that their outputs are of one size."""
    stride, layer = draw(st.integers(1, 2)), CONVS[len(spatial(x))]
    kernels = draw(st.lists(st.sampled_from([1, 3, 5]), min_size=1, max_size=3))
    return Branches([
        layer(x.shape[1], draw(st.integers(1, 3)), kernel, stride, kernel // 2)
        for kernel in kernels
    ])  # fmt: skip


def functional(x):
    """A few operators at a time: names are those of the rows, `getitem` for a slice."""
    return st.lists(
        st.sampled_from([
            F.relu, torch.sigmoid, partial(torch.mul, other=2), partial(torch.add, other=1),
            partial(torch.transpose, dim0=0, dim1=0), partial(torch.flip, dims=(2,)),
            partial(torch.repeat_interleave, repeats=2, dim=1), partial(F.pad, pad=(1, 2)),
            lambda x: x[..., :2], lambda x: torch.cat([x, x], 1), lambda x: x * x,
            lambda x: x.mean(2, keepdim=True), lambda x: x.amax(-1, keepdim=True),
        ]),
        min_size=1, max_size=3,
    ).map(Functional)  # fmt: skip


@st.composite
def layer(draw, x):
    kinds = [conv, conv, pool, elementwise, residual, branches, functional]
    if x.shape[2:].numel() < 200:  # these make maps larger
        kinds.append(transposed_conv)
    kind = draw(st.sampled_from(kinds))
    if draw(st.integers(0, 9)) == 0:
        return FunctionalConv(x.shape[1], draw(st.integers(1, 3)), len(spatial(x)))
    return draw(kind(x))


@st.composite
def classifier(draw, x):
    """Flattened, averaged, or at each position; nothing at all."""
    kind = draw(st.sampled_from(["flatten", "average", "positions", "none"]))
    classes = draw(st.integers(1, 5))
    if kind == "flatten":
        return [nn.Flatten(), nn.Linear(x[0].numel(), classes, bias=draw(st.booleans()))]
    if kind == "average":
        return [ADAPTIVE[len(spatial(x))](1), nn.Flatten(), nn.Linear(x.shape[1], classes)]
    if kind == "positions":  # a linear layer over the last dimension, the middle ones stay
        return [nn.Linear(x.shape[-1], classes)]
    return []


@st.composite
def networks(draw):
    """(network in eval mode, shape of its input)"""
    dims = draw(st.sampled_from([1, 2, 2, 2, 3]))
    sides = [draw(st.integers(4, {1: 20, 2: 12, 3: 6}[dims])) for _ in range(dims)]
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 4)), *sides)
    x, layers = torch.zeros(shape), []
    with torch.no_grad():
        for _ in range(draw(st.integers(1, 5))):
            drawn = draw(layer(x)).eval()
            y = drawn(x.clone())
            if y.numel() == 0 or y.numel() > 20_000:
                continue
            layers.append(drawn)
            x = y
        layers += draw(classifier(x))
    return nn.Sequential(*layers).eval(), shape


# Observing the real run


def observed(net, shape):
    """What forward hooks see: {(path, call): (module, input shape, output shape)}."""
    seen, calls = {}, Counter()

    def note(path, module, args, output):
        key = path, calls[path]
        calls[path] += 1
        seen[key] = module, tuple(args[0].shape), tuple(output.shape)

    handles = [m.register_forward_hook(partial(note, path)) for path, m in net.named_modules()]
    try:
        with torch.no_grad():
            net(torch.zeros(shape))
    finally:
        for handle in handles:
            handle.remove()
    return seen


def counted(module, shape):
    """The MACs of a layer, counted by having torch do them.

    With ones for inputs (padding included) and for weights, each multiply–add adds 1: the sum of
    all outputs is their number.
    """
    ones = torch.ones(shape, dtype=torch.float64)
    weight = getattr(module, "weight", None)
    if isinstance(module, nn.Linear):
        return F.linear(ones, torch.ones_like(weight, dtype=torch.float64)).sum().item()
    if isinstance(module, tuple(TRANSPOSED.values())):  # without the cropping by padding
        function = FUNCTIONAL_TRANSPOSED[len(shape) - 2]
        options = {"stride": module.stride, "groups": module.groups}
    elif isinstance(module, tuple(CONVS.values())):
        for size, padding in enumerate(reversed(module.padding)):
            ones = F.pad(ones, (0, 0) * size + (padding, padding), value=1.0)
        function = FUNCTIONAL_CONVS[len(shape) - 2]
        options = {n: getattr(module, n) for n in ("stride", "dilation", "groups")}
    elif isinstance(module, FunctionalConv):
        function, options = FUNCTIONAL_CONVS[len(shape) - 2], {}
    else:
        return 0
    return function(ones, torch.ones_like(weight, dtype=torch.float64), **options).sum().item()


@checked
@given(networks())
def test_every_shape_equals_the_real_run(network):
    net, shape = network
    seen = observed(net, shape)
    layers = cnnstat.analyze(net, shape).layers
    modules = {(r.path, r.call): (r.inputs[0], r.outputs[0]) for r in layers if r.kind == "module"}
    assert modules == {key: (given, made) for key, (_, given, made) in seen.items()}
    for path, module in net.named_modules():
        if isinstance(module, Functional):
            rows = [r for r in layers if r.kind == "function" and r.path.startswith(f"{path}.")]
            assert [r.outputs[0] for r in rows] == module.made
    # rows follow one another: in a sequence each takes what the one before made
    in_sequence = [layer for layer in layers if layer.depth == 1]
    assert all(a.outputs == b.inputs for a, b in pairwise(in_sequence))


@checked
@given(networks())
def test_parameters_equal_those_of_the_model(network):
    net, shape = network
    analysis = cnnstat.analyze(net, shape)
    parameters, buffers = list(net.parameters()), list(net.buffers())
    totals = analysis.totals
    assert totals.params == totals.trainable_params == sum(p.numel() for p in parameters)
    assert totals.param_bytes == sum(p.numel() * p.element_size() for p in parameters)
    assert totals.buffers == sum(b.numel() for b in buffers)
    assert totals.buffer_bytes == sum(b.numel() * b.element_size() for b in buffers)
    assert sum(tally.params for tally in analysis.by_role.values()) == totals.params
    for row in analysis.layers:
        if row.kind == "module":
            inside = net.get_submodule(row.path).parameters()
            assert row.total.params == sum(p.numel() for p in inside)
    assert sum(row.params for row in analysis.layers) == totals.params


@checked
@given(networks())
def test_macs_equal_a_brute_force_count(network):
    net, shape = network
    analysis = cnnstat.analyze(net, shape)
    expected = {key: counted(m, given) for key, (m, given, _) in observed(net, shape).items()}
    rows = {(r.path, r.call): r for r in analysis.layers if r.kind == "module"}
    # A functional convolution is a row of its own inside its module: totals hold either way.
    leaves = {
        key: row.total.macs
        for key, row in rows.items()
        if not any(other.startswith(f"{key[0]}.") for other, _ in rows) and key[0]
    }
    assert leaves == {key: expected[key] for key in leaves}
    assert analysis.totals.macs == sum(expected.values())
    assert analysis.totals.flops == 2 * analysis.totals.macs


@checked
@given(networks(), st.data())
def test_an_input_that_does_not_run_is_an_error_and_one_that_runs_is_none(network, data):
    net, shape = network
    other = list(shape)
    position = data.draw(st.integers(1, len(shape) - 1))
    other[position] = data.draw(st.integers(1, 12))
    try:
        with torch.no_grad():
            made = tuple(net(torch.zeros(other)).shape)
    except (RuntimeError, ValueError, IndexError):
        with pytest.raises(ShapeError):
            cnnstat.analyze(net, tuple(other))
    else:
        assert cnnstat.analyze(net, tuple(other)).layers[0].outputs == (made,)
