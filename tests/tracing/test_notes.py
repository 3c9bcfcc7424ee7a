"""Notes that say what a reader would miss, and none that is false."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import cnnstat
from cnnstat.cli.main import run
from cnnstat.errors import ModelError, ShapeError
from tests.networks import With


def notes_of(model, *inputs, **options):
    return cnnstat.analyze(model, *inputs, **options).notes


# Reentrant checkpoints


def block():
    return nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))


REENTRANT = [
    # the input has no gradient, so torch computes none for what the checkpoint runs
    ("the input", lambda net, x: net.head(checkpoint(net.block, x, use_reentrant=True)), True),
    ("a layer before",
     lambda net, x: checkpoint(net.block, net.head(x), use_reentrant=True), False),
    ("not reentrant",
     lambda net, x: net.head(checkpoint(net.block, x, use_reentrant=False)), False),
    ("twice", lambda net, x: checkpoint(net.block, net.head(
        checkpoint(net.block, x, use_reentrant=True)), use_reentrant=True), False),
    ("after another", lambda net, x: net.head(checkpoint(net.block[2], checkpoint(
        net.block[0], x, use_reentrant=True), use_reentrant=True)), True),
    ("a detached layer", lambda net, x: net.head(
        checkpoint(net.block, x.detach() * 2, use_reentrant=True)), True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("forward", "noted"), [pytest.param(f, n, id=name) for name, f, n in REENTRANT]
)
@pytest.mark.parametrize("training", [False, True])
def test_parameters_without_gradient_in_a_reentrant_checkpoint(forward, noted, training):
    net = With(forward, block=block(), head=nn.Linear(8, 8))
    notes = notes_of(net, (2, 8), training=training)
    with_gradient = _trained(net)
    assert with_gradient is not noted
    params = 2 * (8 * 8 + 8)
    expected = f"warning: CN106: block gets no gradient for its {params} parameters: they are used"
    assert any(note.startswith(expected) for note in notes) is noted
    assert len(notes) == noted


def _trained(net):
    """Whether torch itself computes a gradient for the block."""
    net(torch.ones(2, 8)).sum().backward()
    return net.block[0].weight.grad is not None


# Subclasses of Tensor


class Named(torch.Tensor):
    pass


def test_a_subclass_of_tensor_reaches_the_output():
    def forward(net, x):
        y = net.first(x.as_subclass(Named))
        assert isinstance(y, Named)
        return net.second(torch.relu(y) + 1)

    net = With(forward, first=nn.Linear(8, 4), second=nn.Linear(4, 2))
    analysis = cnnstat.analyze(net, (2, 8))
    assert not analysis.notes
    assert analysis.totals.depth == 2
    dead = With(lambda net, x: (net.first(x.as_subclass(Named)), x)[1], first=nn.Linear(8, 4))
    assert (
        "warning: CN106: first does not reach the output: its 36 parameters get no gradient"
        in notes_of(dead, (2, 8))
    )


# What is chosen silently


def test_channels_that_follow_the_input_are_noted():
    (note,) = notes_of("nin", (1, 5, 224, 224))
    assert note == "in_channels=5 follows the input: the network of the paper has 1"
    assert not notes_of("nin", (1, 1, 128, 128))
    assert not notes_of("nin", (1, 5, 224, 224), arguments={"in_channels": 5})


@pytest.mark.parametrize(
    ("layer", "shape", "batched"),
    [(nn.Conv2d(3, 4, 3), (3, 64, 64), "1×3×64×64"), (nn.Conv1d(3, 4, 3), (3, 64), "1×3×64"),
     (nn.LSTM(3, 4, batch_first=True), (64, 3), "1×64×3")],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_an_input_without_a_batch_is_noted(layer, shape, batched):
    net = nn.Sequential(nn.ReLU(), layer)
    (note,) = notes_of(net, shape)
    assert "without a batch dimension at 1 (" in note
    assert note.endswith(f"a batch of one is {batched}")
    assert not notes_of(net, (1, *shape))


# Lanes and errors


def test_the_reason_for_a_lane_has_operator_place_and_cause():
    def missing(net, x):
        return x if x.data_ptr() == 0 and undefined else net.first(x)  # noqa: F821

    def value(net, x):
        return net.first(x[: int(x.sum() * 0) + 1])

    net = With(missing, first=nn.Linear(8, 4))
    (note,) = notes_of(net, (2, 8))
    line = missing.__code__.co_firstlineno + 1
    assert note.startswith("run on the cpu lane: the model fails at With (test_notes.py:")
    assert f":{line}): NameError: name 'undefined' is not defined" in note
    note = next(n for n in notes_of(With(value, first=nn.Linear(8, 4)), (2, 8)) if "lane" in n)
    line = value.__code__.co_firstlineno + 1
    assert note.startswith("run on the cpu lane: the model needs values at int() in ")
    assert f"(test_notes.py:{line}): RuntimeError: " in note


def no_gradient(net, x):
    return torch.autograd.grad(x.sum().detach(), x)[0]


def negative_size(net, x):
    return net.first(torch.zeros(-2, 8))


@pytest.mark.parametrize("forward", [no_gradient, negative_size], ids=lambda f: f.__name__)
def test_an_error_about_something_else_is_no_misfit_of_shapes(forward):
    with pytest.raises(ModelError) as caught:
        cnnstat.analyze(With(forward, first=nn.Linear(8, 4)), (2, 8))
    assert not isinstance(caught.value, ShapeError)
    assert "shapes don't fit" not in str(caught.value)


@pytest.mark.parametrize(
    ("layers", "shape", "hint"),
    [
        ([nn.Conv2d(3, 4, 64), nn.BatchNorm2d(4)], (1, 3, 64, 64), "input (2, 3, 64, 64)"),
        ([nn.Linear(8, 4), nn.BatchNorm1d(4)], (1, 8), "input (2, 8)"),
    ],
    ids=["image", "vector"],
)
def test_the_batch_of_two_is_that_of_the_input(layers, shape, hint):
    with pytest.raises(ShapeError) as caught:
        cnnstat.analyze(nn.Sequential(*layers), shape, mode="train")
    assert hint in str(caught.value)
    assert "2,3,224,224" not in str(caught.value)


# Marks and checks


def test_rows_of_marks_and_checks_are_hidden(capsys, tmp_path):
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\nfrom torch.profiler import record_function\n"
        "class Net(nn.Linear):\n    def __init__(self):\n        super().__init__(4, 5)\n"
        "    def forward(self, x):\n        with record_function('a part'):\n"
        "            torch._assert_async(torch.ones(()))\n            return super().forward(x)\n"
    )
    assert run(["shapes", f"{tmp_path}/net.py:Net", "--input", "2,4"]) == 0
    shown = capsys.readouterr().out
    assert "record_function" not in shown
    assert "assert" not in shown
    assert "linear 4→5" in shown
    assert run(["shapes", f"{tmp_path}/net.py:Net", "--input", "2,4", "--ops", "all"]) == 0
    assert "record_function_enter_new" in capsys.readouterr().out
