"""Generated module trees in every dtype: what is said of them equals what a real run does.

Where `test_properties.py` draws sequences of layers in float32, these trees share modules and
parameters, branch, mix layers with functions, run over tokens, sequences and maps, and change
their dtype on the way. Each part is tried on real data when it is drawn, so a tree holds only what
the CPU runs. Shapes, dtypes and products are observed on the real run by forward hooks and a
dispatch mode that know nothing of cnnstat.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import cnnstat
from cnnstat.tracing.run.copies import meta_copy
from cnnstat.tracing.run.trace import trace
from tests.networks import SelfAttention
from tests.test_untouched import changed, photograph, surroundings

checked = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# torch says of half of the dtypes that they are new, slow or lose something
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64)
LARGEST = 6_000  # elements of a tensor: real runs stay quick
CONVS = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}  # by the rank of their input
TRANSPOSED = {3: nn.ConvTranspose1d, 4: nn.ConvTranspose2d, 5: nn.ConvTranspose3d}
MAX_POOLS = {3: nn.MaxPool1d, 4: nn.MaxPool2d, 5: nn.MaxPool3d}
AVG_POOLS = {3: nn.AvgPool1d, 4: nn.AvgPool2d, 5: nn.AvgPool3d}
ADAPTIVE = {3: nn.AdaptiveAvgPool1d, 4: nn.AdaptiveAvgPool2d, 5: nn.AdaptiveAvgPool3d}
BATCH_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
INSTANCE_NORMS = {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d, 5: nn.InstanceNorm3d}
FUNCTIONAL_CONVS = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}
FUNCTIONAL_TRANSPOSED = {3: F.conv_transpose1d, 4: F.conv_transpose2d, 5: F.conv_transpose3d}
SMOOTH = {3: "linear", 4: "bilinear", 5: "trilinear"}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tensors are tiny: threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# The ways in which trees are put together


class First(nn.Module):
    """The first output of a layer that has several."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


class Repeated(nn.Module):
    """One module, called several times."""

    def __init__(self, layer, times):
        super().__init__()
        self.layer = layer
        self.times = times

    def forward(self, x):
        for _ in range(self.times):
            x = self.layer(x)
        return x


class TwoNames(nn.Module):
    """One module, registered twice and called under both names."""

    def __init__(self, layer):
        super().__init__()
        self.one = layer
        self.others = nn.ModuleList([nn.ReLU(), layer])

    def forward(self, x):
        return self.others[1](self.one(x))


class Tied(nn.Module):
    """Two layers with one weight, which a function uses a third time."""

    def __init__(self, features, bias):
        super().__init__()
        self.one = nn.Linear(features, features)
        self.other = nn.Linear(features, features, bias=bias)
        self.other.weight = self.one.weight

    def forward(self, x):
        return F.linear(self.other(self.one(x)), self.one.weight)


class Skip(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return x + self.body(x)


class Branches(nn.Module):
    def __init__(self, branches, join):
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.join = join

    def forward(self, x):
        made = [branch(x) for branch in self.branches]
        if self.join == "add":
            return sum(made[1:], made[0])
        return torch.cat(made, 1) if self.join == "cat" else torch.stack(made, 1)


class Code(nn.Module):
    """A forward of functions, each with a weight or none; `made` notes what each returned."""

    def __init__(self):
        super().__init__()
        self.steps = []
        self.weights = nn.ParameterList()
        self.made = []

    def add(self, name, step, weight=None):
        self.steps.append((name, step, None if weight is None else len(self.weights)))
        if weight is not None:
            self.weights.append(weight)

    def forward(self, x):
        for _, step, weight in self.steps:
            x = step(x) if weight is None else step(x, self.weights[weight])
            self.made.append((tuple(x.shape), x.dtype))
        return x

    def extra_repr(self):
        return ", ".join(name for name, _, _ in self.steps)


# Drawing parts that fit the tensor before them; one that the CPU refuses is not taken


def few(draw, most=4):
    return draw(st.integers(1, most))


def conv(draw, x):
    channels = x.shape[1]
    groups = draw(st.sampled_from([g for g in (1, 2, channels) if channels % g == 0]))
    kernel = few(draw, 3)
    return CONVS[x.dim()](
        channels, groups * few(draw, 2), kernel, few(draw, 2), draw(st.integers(0, 2)),
        few(draw, 2), groups, bias=draw(st.booleans()),
    )  # fmt: skip


def transposed_conv(draw, x):
    stride = few(draw, 2)
    return TRANSPOSED[x.dim()](
        x.shape[1], few(draw), few(draw, 3), stride, draw(st.integers(0, 1)),
        draw(st.integers(0, stride - 1)), bias=draw(st.booleans()),
    )  # fmt: skip


def pool(draw, x):
    kernel = few(draw, 3)
    pools = draw(st.sampled_from([MAX_POOLS, AVG_POOLS]))
    return pools[x.dim()](kernel, few(draw, 3), kernel // 2, ceil_mode=draw(st.booleans()))


def adaptive_pool(draw, x):
    return ADAPTIVE[x.dim()](few(draw, 3))


def linear(draw, x):
    return nn.Linear(x.shape[-1], few(draw, 5), bias=draw(st.booleans()))


def flatten(draw, x):
    return nn.Flatten(draw(st.integers(1, max(1, x.dim() - 2))))


def same_conv(draw, x):
    kernel = draw(st.sampled_from([1, 3]))
    return CONVS[x.dim()](x.shape[1], x.shape[1], kernel, padding=kernel // 2)


def same_linear(draw, x):
    return nn.Linear(x.shape[-1], x.shape[-1])


def activation(draw, x):
    kinds = [nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.ELU, nn.PReLU, nn.Dropout]
    return draw(st.sampled_from(kinds))()


def norm(draw, x):
    channels, width = x.shape[1], x.shape[-1]
    return draw(st.sampled_from([
        lambda: BATCH_NORMS[x.dim()](channels, affine=draw(st.booleans())),
        lambda: INSTANCE_NORMS[x.dim()](channels, affine=draw(st.booleans())),
        lambda: nn.GroupNorm(1, channels),
        lambda: nn.LayerNorm(width, elementwise_affine=draw(st.booleans())),
        lambda: nn.RMSNorm(width),
        lambda: nn.LocalResponseNorm(2),
    ]))()  # fmt: skip


def recurrent(draw, x, hidden=None):
    kind = draw(st.sampled_from([nn.LSTM, nn.GRU, nn.RNN]))
    projected = {"proj_size": 1} if kind is nn.LSTM and hidden is None and few(draw) == 1 else {}
    return First(kind(
        x.shape[-1], hidden or 1 + few(draw), few(draw, 2), bias=draw(st.booleans()),
        batch_first=draw(st.booleans()), bidirectional=hidden is None and draw(st.booleans()),
        **projected,
    ))  # fmt: skip


def same_recurrent(draw, x):
    return recurrent(draw, x, x.shape[-1])


def attention(draw, x):
    width = x.shape[-1]
    heads = draw(st.sampled_from([h for h in (1, 2, 3) if width % h == 0]))
    if draw(st.booleans()):
        return nn.TransformerEncoderLayer(
            width, heads, few(draw), batch_first=draw(st.booleans()), norm_first=draw(st.booleans())
        )
    layer = nn.MultiheadAttention(width, heads, batch_first=draw(st.booleans()))
    return SelfAttention(draw(st.booleans()), layer)


def repeated(draw, x):
    return Repeated(keeping(draw, x), 1 + few(draw, 2))


def two_names(draw, x):
    return TwoNames(keeping(draw, x))


def tied(draw, x):
    return Tied(x.shape[-1], draw(st.booleans()))


def skip(draw, x):
    return Skip(nn.Sequential(keeping(draw, x), keeping(draw, x)))


def branches(draw, x):
    join = draw(st.sampled_from(["cat", "add", "stack"]))
    made = [keeping(draw, x) for _ in range(few(draw, 2))]
    if join == "cat" and x.dim() in CONVS:
        made.append(CONVS[x.dim()](x.shape[1], few(draw), 1))
    # the same module may stand in two branches
    return Branches([*made, made[0]] if draw(st.booleans()) else made, join)


def code(draw, x):
    made = Code()
    for name, step, shape in draw(st.lists(st.sampled_from(STEPS), min_size=4, max_size=12)):
        try:
            weight = None if shape is None else nn.Parameter(torch.randn(shape(x)).to(x.dtype))
            y = step(x) if weight is None else step(x, weight)
        except REFUSED:
            continue
        if 0 < y.numel() <= LARGEST and 2 <= y.dim() <= 5:
            made.add(name, step, weight)
            x = y
    return made


def channels_and_window(x):
    return (2, x.shape[1], *[2] * (x.dim() - 2))


# name, function of x (and of a weight), shape of the weight for x
STEPS = [
    ("conv", lambda x, w: FUNCTIONAL_CONVS[x.dim()](x, w, stride=2), channels_and_window),
    ("transposed conv", lambda x, w: FUNCTIONAL_TRANSPOSED[x.dim()](x, w),
     lambda x: (x.shape[1], 2, *[2] * (x.dim() - 2))),
    ("linear", lambda x, w: F.linear(x, w), lambda x: (3, x.shape[-1])),
    ("right product", lambda x, w: x @ w, lambda x: (x.shape[-1], 2)),
    ("left product", lambda x, w: torch.matmul(w, x), lambda x: (3, x.shape[-2])),
    ("vector product", lambda x, w: torch.matmul(x, w), lambda x: (x.shape[-1],)),
    ("batch product", lambda x, w: torch.bmm(x, w), lambda x: (x.shape[0], x.shape[-1], 3)),
    ("addmm", lambda x, w: torch.addmm(x, x, w), lambda x: (x.shape[-1], x.shape[-1])),
    ("einsum", lambda x, w: torch.einsum("n...k,km->nm...", x, w), lambda x: (x.shape[-1], 2)),
    ("einsum of itself", lambda x: torch.einsum("n...i,n...j->nij", x, x), None),
    ("bilinear", lambda x, w: F.bilinear(x, x, w), lambda x: (2, x.shape[-1], x.shape[-1])),
    ("scale", lambda x, w: x * w, lambda x: (x.shape[-1],)),
    ("attention", lambda x: F.scaled_dot_product_attention(x, x, x), None),
    ("causal attention", lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True), None),
    ("view", lambda x: x.view(x.shape[0], -1), None),
    ("reshape", lambda x: x.reshape(x.shape[0], x.shape[1], -1), None),
    ("flatten", lambda x: torch.flatten(x, 1), None),
    ("transpose", lambda x: x.transpose(1, -1), None),
    ("permute", lambda x: x.permute(0, *range(x.dim() - 1, 0, -1)), None),
    ("unsqueeze", lambda x: x.unsqueeze(1), None),
    ("contiguous", lambda x: x.contiguous(), None),
    ("slice", lambda x: x[..., :3], None),
    ("chunk", lambda x: x.chunk(2, 1)[0], None),
    ("cat", lambda x: torch.cat([x, x], 1), None),
    ("stack", lambda x: torch.stack([x, x], -1), None),
    ("double", lambda x: x + x, None),
    ("scaled", lambda x: x * 2, None),
    ("mean", lambda x: x.mean(-1), None),
    ("sum", lambda x: x.sum(1, keepdim=True), None),
    ("largest", lambda x: x.max(-1).values, None),
    ("cumulative", lambda x: x.cumsum(1), None),
    ("magnitude", lambda x: x.abs(), None),
    ("softmax", lambda x: F.softmax(x, -1), None),
    ("layer norm", lambda x: F.layer_norm(x, x.shape[-1:]), None),
    ("pad", lambda x: F.pad(x, (1, 2)), None),
    ("reflect", lambda x: F.pad(x, (1, 1) * (x.dim() - 2), mode="reflect"), None),
    ("nearest", lambda x: F.interpolate(x, scale_factor=2), None),
    ("smooth", lambda x: F.interpolate(x, scale_factor=1.5, mode=SMOOTH[x.dim()]), None),
    ("unfold", lambda x: F.unfold(x, 2), None),
    ("Fourier", lambda x: torch.fft.fft(x), None),
    ("real Fourier", lambda x: torch.fft.rfft(x), None),
    ("real part", lambda x: torch.view_as_real(x), None),
    *((str(dtype), lambda x, dtype=dtype: x.to(dtype), None) for dtype in DTYPES),
]  # fmt: skip

# what the drawn sizes and dtypes may make torch say
REFUSED = (RuntimeError, NotImplementedError, ValueError, KeyError, IndexError, AssertionError)
KEEPING = [same_conv, same_linear, activation, norm, same_recurrent, attention]
PARTS = [
    *KEEPING, conv, conv, transposed_conv, pool, adaptive_pool, linear, flatten, recurrent,
    repeated, two_names, tied, skip, branches, code, code, code,
]  # fmt: skip


def keeping(draw, x):
    """A module whose output has the shape of its input."""
    for _ in range(3):
        module = fitting(draw, draw(st.sampled_from(KEEPING)), x)
        if module is not None and module(x).shape == x.shape:
            return module
    return nn.Identity()


def fitting(draw, part, x):
    """The part, drawn for `x` and in its dtype; None if the CPU does not run it."""
    try:
        module = part(draw, x).to(x.dtype).eval()
        y = module(x)
    except REFUSED:
        return None
    return module if 0 < y.numel() <= LARGEST and 2 <= y.dim() <= 5 else None


def inputs(draw):
    kind = draw(st.sampled_from(["vector", "sequence", "map", "map", "volume", "tokens"]))
    batch = few(draw, 3)
    if kind == "tokens":
        return torch.ones(batch, few(draw, 6), dtype=torch.int64)
    rank = {"vector": 2, "sequence": 3, "map": 4, "volume": 5}[kind]
    sizes = [draw(st.integers(2, {2: 12, 3: 8, 4: 8, 5: 4}[rank])) for _ in range(rank - 1)]
    return torch.zeros(batch, *sizes, dtype=draw(st.sampled_from(DTYPES)))


@st.composite
def trees(draw):
    """(a tree in eval mode, its input)"""
    given = x = inputs(draw)
    layers, embedding = [], None
    with torch.no_grad():
        if not x.is_floating_point() and not x.is_complex():
            embedding = nn.Embedding(7, 1 + few(draw)).to(draw(st.sampled_from(DTYPES)))
            layers.append(embedding)
            x = embedding(x)
        for part in draw(st.lists(st.sampled_from(PARTS), min_size=2, max_size=8)):
            layer = fitting(draw, part, x)
            if layer is not None:
                layers.append(layer)
                x = layer(x)
        weight = None if embedding is None else embedding.weight
        if weight is not None and x.dtype == weight.dtype and x.shape[-1] == weight.shape[1]:
            layers.append(nn.Linear(*reversed(weight.shape), bias=False))
            layers[-1].weight = weight
    tree = nn.Sequential(*layers).eval()
    for parameter in tree.parameters():
        parameter.requires_grad_(parameter.is_leaf and draw(st.integers(0, 3)) > 0)
    return tree, given


# Observing the real run


class Products(TorchDispatchMode):
    """Counts the multiply–accumulates of a run by having torch do them on ones.

    With ones for all operands (padding included), each multiply–add adds 1: the sum over the
    output is their number. It is credited to all modules that are open. A complex one is four real
    ones; torch's CPU kernel saves one of them in a convolution, which it runs as three.
    """

    def __init__(self):
        super().__init__()
        self.open = []
        self.macs = Counter()
        self.inside_recurrent = 0
        self.inside_complex_convolution = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name().partition("::")[2].partition(".")[0]
        if not self.inside_recurrent:
            each = Fraction(4, 3) if self.inside_complex_convolution else 1
            self.credit(each * products(name, args))
        return func(*args, **(kwargs or {}))

    def credit(self, macs):
        for key in self.open:
            self.macs[key] += macs


class ComplexConvolutions(TorchFunctionMode):
    """Notifies the counter of convolutions of complex tensors, which torch runs as real ones."""

    def __init__(self, counter):
        super().__init__()
        self.counter = counter

    def __torch_function__(self, func, types, args=(), kwargs=None):
        is_complex = func.__name__.startswith("conv") and args[0].is_complex()
        self.counter.inside_complex_convolution += is_complex
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self.counter.inside_complex_convolution -= is_complex


def ones(tensor):
    return torch.ones(tensor.shape, dtype=torch.float64)


def real(tensor):
    """Real multiply–adds for each of the tensor."""
    return 4 if tensor.is_complex() else 1


def products(name, args):
    """The MACs of one operator as the CPU runs it."""
    if name == "convolution":
        return convolution_macs(*args[:9])
    if name in ("mm", "bmm", "mv", "dot"):
        return real(args[0]) * int((ones(args[0]) @ ones(args[1])).sum())
    if name in ("addmm", "baddbmm", "addmv", "addbmm"):
        return real(args[0]) * int((ones(args[1]) @ ones(args[2])).sum())
    if name == "_scaled_dot_product_flash_attention_for_cpu":
        query, key, value = map(ones, args[:3])
        scores = query @ key.transpose(-1, -2)
        return int(scores.sum()) + int((torch.ones_like(scores) @ value).sum())
    if name == "_trilinear":  # a bilinear layer: Σ_i x[n,i] · w[o,i,j], then Σ_j with y[n,j]
        first = torch.einsum("ni,oij->noj", *map(ones, args[:2]))
        second = torch.ones_like(first) * ones(args[2])[:, None]
        return real(args[0]) * int(first.sum() + second.sum())
    return 0


def convolution_macs(
    x, weight, bias, stride, padding, dilation, transposed, output_padding, groups
):
    if transposed:  # without the cropping by padding
        made = FUNCTIONAL_TRANSPOSED[x.dim()](ones(x), ones(weight), None, stride, groups=groups)
    else:
        around = [side for size in reversed(padding) for side in (size, size)]
        padded = F.pad(ones(x), around, value=1.0)
        made = FUNCTIONAL_CONVS[x.dim()](padded, ones(weight), None, stride, 0, dilation, groups)
    return int(made.sum())


def recurrent_macs(layer, x):
    """Step by step: each matrix meets the batch."""
    batch, steps = (1, x.shape[0]) if x.dim() == 2 else x.shape[:2]
    if x.dim() == 3 and not layer.batch_first:
        batch, steps = steps, batch
    total = 0
    for weight in layer.parameters():
        if weight.dim() == 2:
            for _ in range(steps):
                total += int((torch.ones(batch, weight.shape[1]) @ ones(weight).T.float()).sum())
    return total


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [t for item in value for t in tensors(item)] if isinstance(value, tuple) else []


def observed(tree, x):
    """What forward hooks see: {(path, call): (shapes in, [(shape, dtype)] out)}, and the MACs."""
    seen, calls, mode, handles = {}, Counter(), Products(), []

    def before(path, module, args):
        key = path, calls[path]
        calls[path] += 1
        mode.open.append(key)
        if isinstance(module, nn.RNNBase):
            mode.inside_recurrent += 1  # its operators, and those that count here
            mode.credit(real(args[0]) * recurrent_macs(module, args[0]))

    def after(path, module, args, output):
        mode.inside_recurrent -= isinstance(module, nn.RNNBase)
        made = [(tuple(t.shape), t.dtype) for t in tensors(output)]
        seen[mode.open.pop()] = [tuple(t.shape) for t in tensors(args)], made

    for path, module in tree.named_modules():
        handles.append(module.register_forward_pre_hook(lambda *a, p=path: before(p, *a)))
        handles.append(module.register_forward_hook(lambda *a, p=path: after(p, *a)))
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one operator that hides its products
    try:
        with torch.no_grad(), mode, ComplexConvolutions(mode):
            tree(x)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for handle in handles:
            handle.remove()
    return seen, mode.macs


@checked
@given(trees())
def test_shapes_and_dtypes_equal_the_real_run(drawn):
    tree, x = drawn
    for module in tree.modules():
        if isinstance(module, Code):
            module.made.clear()
    seen, _ = observed(tree, x)
    calls = trace(meta_copy(tree), [x]).calls
    modules = {
        (c.path, c.call): (
            [t.shape for t in c.inputs],
            [(t.shape, getattr(torch, t.dtype)) for t in c.outputs],
        )
        for c in calls
        if c.kind == "module"
    }
    assert modules == seen
    rows = [row for row in cnnstat.analyze(tree, x).layers if row.kind == "module"]
    assert [(r.path, r.call, list(r.inputs), list(r.outputs)) for r in rows] == [
        (path, call, given, [shape for shape, _ in made])
        for (path, call), (given, made) in modules.items()
    ]
    for path, module in tree.named_modules():
        if isinstance(module, Code):
            made = [
                (c.outputs[0].shape, getattr(torch, c.outputs[0].dtype))
                for c in calls
                if c.kind == "function" and c.path.rpartition(".")[0] == path
            ]
            assert made == module.made


@checked
@given(trees())
def test_macs_equal_those_of_the_real_run(drawn):
    tree, x = drawn
    seen, macs = observed(tree, x)
    for lane in ("meta", "cpu"):  # where torch runs other operators for some layers
        analysis = cnnstat.analyze(tree, x, lane=lane)
        rows = {(r.path, r.call): r.total.macs for r in analysis.layers if r.kind == "module"}
        assert rows == {key: macs[key] for key in seen}
        assert analysis.totals.macs == macs["", 0] == sum(row.macs for row in analysis.layers)
        assert analysis.totals.exact, analysis.totals.uncounted


@checked
@given(trees())
def test_a_parameter_counts_once_under_any_number_of_names(drawn):
    tree, x = drawn
    analysis = cnnstat.analyze(tree, x)
    totals, parameters, buffers = analysis.totals, list(tree.parameters()), list(tree.buffers())
    assert totals.params == sum(p.numel() for p in parameters)
    assert totals.trainable_params == sum(p.numel() for p in parameters if p.requires_grad)
    assert totals.param_bytes == sum(p.numel() * p.element_size() for p in parameters)
    assert totals.buffers == sum(b.numel() for b in buffers)
    assert totals.buffer_bytes == sum(b.numel() * b.element_size() for b in buffers)
    assert sum(row.params for row in analysis.layers) == totals.params
    assert sum(row.frozen_params for row in analysis.layers) == (
        totals.params - totals.trainable_params
    )
    users = Counter(id(p) for m in tree.modules() for p in m._parameters.values() if p is not None)
    for row in analysis.layers:
        if row.kind == "module" and row.call:
            assert row.total.params == 0
        elif row.kind == "module":
            inside = list(tree.get_submodule(row.path).parameters())
            if all(users[id(p)] == 1 for p in inside):  # no other module has one of them
                assert row.total.params == sum(p.numel() for p in inside)


@checked
@given(trees(), st.data())
def test_a_tree_is_untouched(drawn, data):
    tree, x = drawn
    for module in tree.modules():
        module.training = data.draw(st.booleans())
    before, around = photograph(tree), surroundings()
    cnnstat.analyze(tree, x)
    assert changed(around, surroundings()) == []
    assert changed(before, photograph(tree)) == []
