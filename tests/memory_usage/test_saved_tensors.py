"""Hooks of saved tensors: those of the model count, those around an analysis do not."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.autograd.graph import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

import cnnstat
from tests.live_bytes import training_peak
from tests.networks import With

SHAPE = (32, 64)


def layers():
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.Tanh())


def figures():
    analysis = cnnstat.analyze(layers(), SHAPE, training=True)
    return analysis.to_dict(), cnnstat.memory(layers(), SHAPE).to_dict()


def unexpected(tensor):
    raise AssertionError("a hook of the caller ran")


AROUND = {
    "hooks": lambda: saved_tensors_hooks(unexpected, unexpected),
    "two": lambda: saved_tensors_hooks(lambda t: t.clone(), lambda t: t),
    "on the CPU": save_on_cpu,
    "disabled": lambda: disable_saved_tensors_hooks("none here"),
}


@pytest.mark.parametrize("name", AROUND)
def test_those_of_the_caller_change_no_figure(name):
    expected = figures()
    x = torch.rand(3, requires_grad=True)
    with AROUND[name]():
        assert figures() == expected
        if name == "hooks":
            with pytest.raises(AssertionError, match="ran"):
                x.exp()  # the hooks are there again
        if name == "disabled":
            with pytest.raises(RuntimeError, match="none here"), save_on_cpu():
                pass


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_inside_what_a_checkpoint_recomputes(use_reentrant):
    found = []

    def forward(x):
        found.append(figures())
        return x.exp()

    x = torch.rand(3, requires_grad=True)
    checkpoint(forward, x, use_reentrant=use_reentrant).sum().backward()
    assert found == [figures()] * 2


def test_inside_compiled_code():
    found = []

    def forward(x):
        found.append(figures())
        return x * 2

    torch.compile(forward, backend="eager")(torch.rand(3))
    assert found == [figures()]


HOOKS = {
    "half": lambda: saved_tensors_hooks(lambda t: t.half(), lambda t: t.float()),
    "elsewhere": lambda: saved_tensors_hooks(
        lambda t: (t.shape, t.device), lambda saved: torch.zeros(saved[0], device=saved[1])
    ),
    "on the CPU": save_on_cpu,
}


def network(hooks):
    def forward(self, x):
        with hooks():
            return self.layers(x)

    return With(forward, layers=layers())


@pytest.mark.parametrize("name", HOOKS)
def test_those_of_a_model_hold_what_they_really_hold(name):
    predicted = cnnstat.memory(network(HOOKS[name]), SHAPE, device="cpu")
    target = torch.zeros(32, dtype=torch.int64)
    sgd = partial(torch.optim.SGD, lr=0.1)
    real = training_peak(network(HOOKS[name]), torch.rand(SHAPE), target, sgd)
    assert predicted.peak_bytes == real.peak


def test_on_a_device_what_is_on_the_host_does_not_count():
    """As with hooks that keep nothing; the pass runs on `meta`, where nothing can be copied."""
    on_host, elsewhere = (network(HOOKS[name]) for name in ("on the CPU", "elsewhere"))
    peaks = [cnnstat.memory(model, SHAPE, device="cuda").peak_bytes for model in
             (on_host, elsewhere)]  # fmt: skip
    assert peaks[0] == peaks[1]
    assert cnnstat.analyze(on_host, SHAPE, training=True).lane == "meta"
