"""Values that a model's code reads: which figures depend on them, where they are read, and that a
read which changes nothing leaves the figures exact."""

from __future__ import annotations

import logging
import random
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.analysis.totals import footing, require_exact
from cnnstat.errors import CheckError

X = (4, 8)


class Net(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.run = forward

    def forward(self, x):
        return self.run(self, x)


def analysis_of(forward, *inputs, **options):
    return cnnstat.analyze(Net(forward), *(inputs or (X,)), **options)


def effects(analysis):
    return {read.function: read.effects for read in analysis.totals.value_reads}


# Sizes and branches by value


def size_by_int(net, x):
    return net.linear(x[: int(x.abs().mean() * 3) + 1])


def branch(net, x):
    return net.linear(net.linear(x)) if x.sum() > 0 else net.linear(x)


def branch_by_any(net, x):
    if (x > 2).any():
        x = net.linear(x)
    return net.linear(x)


def early_exit(net, x):
    for _ in range(5):
        x = net.linear(x)
        if torch.softmax(x, -1).max().item() > 0.9:
            break
    return x


def until_small(net, x):
    while x.norm().item() > 1:
        x = net.linear(x) * 0 + x / 2
    return x


def by_list(net, x):
    keep = [i for i, v in enumerate(x.mean(1).tolist()) if v > 0.5]
    return net.linear(x[[0, *keep]])


def by_numpy(net, x):
    return net.linear(x[: 1 + int((x.numpy().mean(1) > 0).sum())])


def by_equal(net, x):
    return x if torch.equal(x, x.flip(0)) else net.linear(x)


def by_parameter(net, x):
    return net.linear(x) if net.linear.bias.sum() > 0 else net.linear(net.linear(x))


def by_one_parameter(net, x):
    return net.linear(x[: 1 + (float(net.linear.bias[0]) > 0)])


def by_written_element(net, x):
    lengths = torch.zeros(2)
    lengths[0] = x.abs().max()
    return net.linear(x) if lengths.sum() > 1e-3 else x


def longest(net, x):
    """With a smaller maximum the index is out of range, after the layer has run on less."""
    lengths = (x > -1).sum(1)
    h = net.linear(x.unsqueeze(-1).expand(4, 8, 8)[:, : int(lengths.max())])
    return h[torch.arange(len(x)), lengths - 1]


CHANGES = [size_by_int, branch, branch_by_any, early_exit, until_small, longest, by_list, by_numpy,
           by_equal, by_parameter, by_one_parameter, by_written_element]  # fmt: skip


@pytest.mark.parametrize("forward", CHANGES, ids=lambda f: f.__name__)
def test_figures_that_depend_on_a_value_say_so(forward):
    analysis = analysis_of(forward)
    assert analysis.lane == "cpu"
    assert not analysis.totals.exact
    assert footing(analysis).startswith("approximate")
    (read,) = (r for r in analysis.totals.value_reads if r.effects)
    assert "MACs" in read.effects
    assert read.file == __file__
    first = forward.__code__.co_firstlineno
    assert first < read.line <= first + 6
    with pytest.raises(CheckError, match="not exact"):
        require_exact(analysis)


# Reads that change nothing


def checked(net, x):
    assert torch.isfinite(x).all(), "not finite"
    if (x > 1e6).any():
        raise ValueError("too large")
    return net.linear(x)


def printed(net, x):
    logging.info("mean %s, %s", x.mean().item(), f"{float(x.std()):.3f}")
    return net.linear(x)


def scaled(net, x):
    return net.linear(x / x.abs().max().item())


def warned(net, x):
    if bool(x.max() > 0.5):
        warnings.warn("large", stacklevel=1)
    return net.linear(x)


def stored(net, x):
    net.last = x.mean().tolist()
    return net.linear(x)


def through_numpy(net, x):
    return net.linear(torch.from_numpy(np.clip(x.numpy(), 0, 1)))


@pytest.mark.filterwarnings("ignore:large")
@pytest.mark.parametrize("forward", [checked, printed, scaled, warned, stored, through_numpy],
                         ids=lambda f: f.__name__)  # fmt: skip
def test_a_read_that_changes_nothing_leaves_the_figures_exact(forward, capsys):
    analysis = analysis_of(forward)
    assert analysis.lane == "cpu"
    assert analysis.totals.exact
    assert footing(analysis).startswith("exact")
    assert set(effects(analysis).values()) == {()}
    assert analysis.totals.macs == 4 * 8 * 8


def test_values_that_follow_from_shapes_are_certain():
    def forward(net, x):
        rows = torch.tensor(x.shape)[0]
        steps = [int(s) for s in torch.linspace(0, 2, int(rows))]
        mask = torch.arange(8) < 5
        if mask.sum() > 2 and x.cpu().numpy().shape[0]:  # the second is not certain, the first is
            x = net.linear(x[: int(rows // 2)])
        return x * steps[-1]

    totals = analysis_of(forward, lane="cpu").totals
    assert totals.exact
    assert totals.macs == 2 * 8 * 8
    assert [read.function for read in totals.value_reads] == ["numpy"]


def test_a_parameter_may_be_read_without_any_operator():
    class Flag(Net):
        def __init__(self, forward):
            super().__init__(forward)
            self.flag = nn.Parameter(torch.ones(()))

    totals = cnnstat.analyze(Flag(lambda net, x: net.linear(x) if net.flag else x), X).totals
    assert not totals.exact
    assert [read.origin for read in totals.value_reads] == ["the parameters"]


def test_a_buffer_is_certain_until_an_input_is_written_to_it():
    class Counter(Net):
        def __init__(self, forward):
            super().__init__(forward)
            self.register_buffer("steps", torch.zeros(()))

    def reads_first(net, x):
        return net.linear(x) if net.steps == 0 else x

    def writes_first(net, x):
        net.steps += x.mean()
        return net.linear(x) if net.steps > 0 else x

    assert cnnstat.analyze(Counter(reads_first), X).totals.value_reads == ()
    assert not cnnstat.analyze(Counter(writes_first), X).totals.exact


# Generators


def python_branch(net, x):
    for _ in range(6):
        if random.random() < 0.5:
            x = net.linear(x)
    return x


def numpy_branch(net, x):
    return net.linear(x) if np.random.rand() < 0.02 else x


def torch_branch(net, x):
    return net.linear(x) if torch.rand(1).item() < 0.02 else x


def python_size(net, x):
    return net.linear(x[: random.randint(1, 4)])


def normal_size(net, x):
    return net.linear(x[: 2 + (np.random.randn() > 0) + (random.normalvariate(0, 1) > 0)])


@pytest.mark.parametrize(
    ("forward", "origin"),
    [(python_branch, "Python"), (numpy_branch, "NumPy"), (torch_branch, "torch"),
     (python_size, "Python"), (normal_size, "NumPy")],
    ids=lambda v: getattr(v, "__name__", v),
)  # fmt: skip
def test_branches_on_random_numbers_are_the_same_every_run_and_named(forward, origin):
    random.seed(5)
    state, numpy_state = random.getstate(), np.random.get_state()[1].tobytes()
    analyses = [analysis_of(forward) for _ in range(3)]
    assert (random.getstate(), np.random.get_state()[1].tobytes()) == (state, numpy_state)
    assert analyses[0] == analyses[1] == analyses[2]
    assert not analyses[0].totals.exact
    read = next(r for r in analyses[0].totals.value_reads if r.origin.startswith(origin))
    assert "MACs" in read.effects
    assert 0 < read.line - forward.__code__.co_firstlineno <= 3


def test_random_numbers_that_scale_leave_the_figures_exact():
    totals = analysis_of(lambda net, x: net.linear(x) * random.uniform(0.9, 1.1)).totals
    assert totals.exact
    assert [read.effects for read in totals.value_reads] == [()]


def test_the_report_names_the_read():
    text = str(analysis_of(size_by_int))
    line = size_by_int.__code__.co_firstlineno + 1
    assert f"int() at test_value_reads.py:{line} reads values of the input" in text


def test_a_model_too_large_to_repeat_may_depend_on_its_values():
    from cnnstat.tracing.user_code import value_effects

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(value_effects, "_MAX_MACS", 0)
        analysis = analysis_of(scaled)
    assert not analysis.totals.exact
    assert effects(analysis) == {"item": None}
