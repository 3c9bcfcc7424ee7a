"""Analysing a live module leaves it, and everything around it, as it was: on success and failure.

Every model here is photographed before and after; a photograph holds the identity and the content
of everything that a run could change.
"""

from __future__ import annotations

import random
import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

import cnnstat
from cnnstat.errors import ModelError, ShapeError


def content(thing):
    """Equal before and after exactly when nothing happened to the thing."""
    if isinstance(thing, int | float | str | None):
        return thing
    if nn.parameter.is_lazy(thing):
        return id(thing), "uninitialized"
    if isinstance(thing, torch.Tensor):
        values = thing.detach().tolist()
        gradient = content(thing.grad) if thing.is_leaf else None
        return id(thing), thing._version, thing.requires_grad, gradient, values
    if isinstance(thing, dict):
        return id(thing), [(key, content(item)) for key, item in thing.items()]
    if isinstance(thing, list | tuple):
        return id(thing), [content(item) for item in thing]
    return id(thing)


def photograph(model):
    """All attributes of all modules (parameters, buffers, hooks, flags, the user's own)."""
    taken = {"modules": [(name, id(m), type(m)) for name, m in model.named_modules()]}
    for path, module in model.named_modules():
        for name, attribute in vars(module).items():
            taken[f"{path}.{name}"] = content(attribute)
    for name, tensor in model.state_dict().items():
        lazy = nn.parameter.is_lazy(tensor)
        taken[f"state_dict {name}"] = lazy or (tensor.data_ptr(), tensor.tolist())
    return taken


def surroundings():
    return {
        "torch's random state": torch.get_rng_state().tolist(),
        "Python's random state": random.getstate(),
        "gradients": torch.is_grad_enabled(),
        "fast attention": torch.backends.mha.get_fastpath_enabled(),
        "Module.__call__": nn.Module.__call__,
        "function modes": torch._C._len_torch_function_stack(),
        "dispatch modes": torch._C._len_torch_dispatch_stack(),
    }


def changed(before, after):
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]


def assert_untouched(model, *inputs, mode="eval", raises=None):
    before, around = photograph(model), surroundings()
    analysis = None
    options = {"training": True} if mode == "training" else {"mode": mode}
    if raises is None:
        analysis = cnnstat.analyze(model, *inputs, **options)
    else:
        with pytest.raises(raises):
            cnnstat.analyze(model, *inputs, **options)
    assert changed(around, surroundings()) == []
    assert changed(before, photograph(model)) == []
    return analysis


def both_modes(test):
    """In the two modes, and with a backward pass."""
    return pytest.mark.parametrize("mode", ["eval", "train", "training"])(test)


class Net(nn.Module):
    """One of each layer that keeps something: statistics, random state, parameters."""

    def __init__(self, forward=None):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout()
        self.linear = nn.Linear(4, 2)
        self.extra = forward

    def forward(self, x):
        x = self.drop(F.relu(self.norm(self.conv(x)))).mean((2, 3))
        x = x if self.extra is None else self.extra(self, x)
        return self.linear(x)


IMAGE = (2, 3, 8, 8)


@both_modes
def test_success(mode):
    net = Net()
    net.linear(torch.zeros(1, 4)).sum().backward()  # with gradients, which must stay
    net.conv.requires_grad_(False)
    assert assert_untouched(net, IMAGE, mode=mode).mode == mode.removesuffix("ing")


@both_modes
def test_training_flags_may_differ_by_module(mode):
    net = Net().eval()
    net.norm.train()
    assert_untouched(net, IMAGE, mode=mode)
    assert [m.training for m in net.modules()] == [False, False, True, False, False]


def test_batch_norm_keeps_its_statistics_in_training():
    net = nn.BatchNorm2d(3)
    net.running_mean.fill_(7.0)
    assert_untouched(net, IMAGE, mode="train")
    assert net.num_batches_tracked.item() == 0
    assert net.running_mean.tolist() == [7.0] * 3


def test_given_tensors():
    net = nn.Sequential(nn.ReLU(inplace=True))
    x = torch.full((2, 3), -1.0, requires_grad=True)
    before = content(x)
    cnnstat.analyze(net, x)
    assert content(x) == before


def test_compare_traces_variants_without_touching_the_models():
    one = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10))
    two = Net()
    before = photograph(one), photograph(two)
    comparison = cnnstat.compare(one, two, input=(1, 3, 8, 8))
    assert comparison.classifiers[0].head is not None  # it was traced with another head
    assert (photograph(one), photograph(two)) == before


# What a forward may do to its module


def assign(self, x):
    self.features = x
    self.calls = getattr(self, "calls", 0) + 1
    return x


def append(self, x):
    self.history.append(x)
    self.cache["x"] = x
    self.cache["nested"].append(1)
    return x


def update_buffer(self, x):
    self.norm.running_mean.add_(1)
    self.norm.running_var = x.mean(0)
    return x


def update_parameter(self, x):
    self.linear.weight.data.mul_(2)
    self.linear.bias = nn.Parameter(x.new_zeros(2))
    return x


def register(self, x):
    self.register_buffer("seen", x)
    self.add_module("late", nn.ReLU())
    self.register_forward_hook(lambda *args: None)
    self.linear.register_forward_pre_hook(lambda *args: None)
    return x


def switch(self, x):
    self.train(not self.training)
    self.requires_grad_(False)
    return x


def delete(self, x):
    del self.drop
    return x


def draw(self, x):
    random.random()
    torch.manual_seed(random.randrange(99))
    return x * torch.rand(4) + nn.Linear(4, 4).bias


def write_constant(self, x):
    self.constant.add_(1)  # a tensor on the CPU, no buffer
    return x + self.constant


# torch refuses to differentiate this one: a statistic that its layer keeps is overwritten
WITHOUT_GRADIENTS = (update_buffer,)
DEEDS = [assign, append, update_buffer, update_parameter, register, switch, delete, draw,
         write_constant]  # fmt: skip


@both_modes
@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_what_forward_does_to_its_module_happens_to_a_copy(deed, mode):
    net = Net(deed)
    net.history = []
    net.cache = {"nested": []}
    net.constant = torch.zeros(4)
    fails = mode == "training" and deed in WITHOUT_GRADIENTS
    assert_untouched(net, IMAGE, mode=mode, raises=ModelError if fails else None)


@both_modes
def test_a_module_reached_through_a_function_that_holds_it(mode):
    net = Net()
    net.extra = lambda _, x: net.linear(net.again(x)).repeat(1, 2)  # a closure over the original
    net.again = nn.BatchNorm1d(4)
    assert_untouched(net, IMAGE, mode=mode)


OUTSIDE = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))


@both_modes
def test_a_module_that_is_none_of_the_models(mode):
    before = photograph(OUTSIDE)
    assert_untouched(Net(lambda self, x: OUTSIDE(x) + nn.Linear(4, 4)(x)), IMAGE, mode=mode)
    assert changed(before, photograph(OUTSIDE)) == []


# Models that are hard to copy


class Holding(nn.Module):
    """A model with attributes that refuse to be copied, alone and among others."""

    def __init__(self, held):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.held = held
        self.state = {"lock": held, "count": 0, "seen": []}

    def forward(self, x):
        self.state["count"] += 1
        self.state["seen"].append(tuple(x.shape))
        return self.linear(x)


UNCOPYABLE = [
    ("lock", threading.Lock),
    ("generator", lambda: (i for i in range(3))),
    ("module", lambda: threading),
    ("non-leaf tensor", lambda: nn.Parameter(torch.ones(2)) * 2),
]


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in UNCOPYABLE])
def test_attributes_that_cannot_be_copied(make):
    assert_untouched(Holding(make()), (2, 4))


def test_tied_weights():
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    net[1].weight = net[0].weight
    net[2].weight.data = net[0].weight.data  # one storage, two parameters
    assert_untouched(net, (2, 4))
    assert net[1].weight is net[0].weight


@both_modes
def test_modules_outside_the_module_tree(mode):
    net = Net(lambda self, x: self.plain[1](self.plain[0](x)))
    net.plain = [nn.BatchNorm1d(4), net.linear]  # a list hides them from the module
    net.linear = nn.Linear(2, 2)
    hidden = photograph(net.plain[0])
    assert_untouched(net, IMAGE, mode=mode)
    assert changed(hidden, photograph(net.plain[0])) == []


NORMALISED = [
    ("weight_norm", parametrizations.weight_norm),
    ("spectral_norm", parametrizations.spectral_norm),  # a power iteration at every call
    ("orthogonal", parametrizations.orthogonal),
    ("weight_norm, by hooks", nn.utils.weight_norm),
    ("spectral_norm, by hooks", nn.utils.spectral_norm),
]


@both_modes
@pytest.mark.filterwarnings("ignore::FutureWarning")  # the forms by hooks are deprecated
@pytest.mark.parametrize("wrap", [pytest.param(wrap, id=name) for name, wrap in NORMALISED])
def test_reparametrized_weights(wrap, mode):
    net = nn.Sequential(wrap(nn.Linear(4, 4)), nn.ReLU(), nn.Linear(4, 2))
    analysis = assert_untouched(net, (3, 4), mode=mode)
    layer = next(row for row in analysis.layers if row.path == "0")
    assert layer.role == "linear"
    assert layer.outputs == ((3, 4),)
    assert analysis.totals.params == sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(
    ("net", "shape", "params"),
    [
        (nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU()), IMAGE, 4 * 3 * 9 + 4),
        (nn.Sequential(nn.LazyLinear(5), nn.LazyLinear(2)), (2, 4), 4 * 5 + 5 + 5 * 2 + 2),
        (nn.Sequential(nn.LazyBatchNorm2d()), IMAGE, 3 + 3),
    ],
    ids=["conv", "linear", "norm"],
)
def test_lazy_modules_stay_lazy(net, shape, params):
    analysis = assert_untouched(net, shape)
    assert analysis.totals.params == params


def test_hooks_run_and_stay():
    net = Net()
    net.conv.register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    net.conv.register_forward_hook(lambda module, args, output: output[:, :, 1:-1, 1:-1])
    net.conv.register_full_backward_hook(lambda *args: None)
    net.linear.weight.register_hook(lambda gradient: gradient)
    net.register_state_dict_post_hook(lambda *args: None)
    analysis = assert_untouched(net, IMAGE)
    (conv,) = [row for row in analysis.layers if row.path == "conv"]
    assert conv.outputs == ((2, 4, 4, 4),)  # 6×6, cropped by the hook


# Failures


class Failing(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        torch.rand(3)
        raise ctx.error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_in_a_gradient(error):
    def forward(self, x):
        x = Failing.apply(x)
        x.grad_fn and setattr(x.grad_fn, "error", error())
        return x

    raised = ModelError if issubclass(error, Exception) else error
    assert_untouched(Net(forward), IMAGE, mode="training", raises=raised)


def raising(error):
    def forward(self, x):
        self.late = x
        self.norm.running_mean.add_(1)
        torch.rand(3)
        random.random()
        raise error

    return Net(forward)


@both_modes
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError("no such file"), ModelError),
        (AssertionError("wrong size"), ModelError),
        (RuntimeError("not ready"), ModelError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (SystemExit(3), ModelError),
        (GeneratorExit(), ModelError),
        (BaseException(), ModelError),
    ],
    ids=lambda thing: type(thing).__name__ if isinstance(thing, BaseException) else "",
)
def test_an_error_in_forward(error, raised, mode):
    assert_untouched(raising(error), IMAGE, mode=mode, raises=raised)


@both_modes
def test_shapes_that_do_not_fit(mode):
    assert_untouched(Net(), (2, 5, 8, 8), mode=mode, raises=ShapeError)


def test_a_model_that_needs_values():
    assert_untouched(Net(lambda self, x: x[x > 0]), IMAGE, raises=ModelError)


def test_an_error_inside_attention():
    # The fast path is switched off for the run; it must come back.
    net = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert torch.backends.mha.get_fastpath_enabled()
    assert_untouched(net, (1, 5, 8))
    assert_untouched(net, (1, 5, 7), raises=ModelError)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        assert_untouched(net, (1, 5, 8))
        assert not torch.backends.mha.get_fastpath_enabled()
    finally:
        torch.backends.mha.set_fastpath_enabled(True)


def test_a_failure_leaves_nothing_behind_for_the_next_run():
    net = Net()
    first = cnnstat.analyze(net, IMAGE)
    assert_untouched(net, (2, 5, 8, 8), raises=ShapeError)
    assert cnnstat.analyze(net, IMAGE).layers == first.layers
