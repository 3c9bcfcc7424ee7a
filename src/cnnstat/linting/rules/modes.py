"""CN501–CN503: what differs between train and eval mode, and a backward pass that fails."""

from __future__ import annotations

from collections.abc import Iterator

from ...operators.registry import Trait, is_in_place, traits_of
from ...trace.records import About, Call, Trace
from ...tracing.run.failures import about
from ..edits.calls import at_call, at_expression, following_mode, in_training_only, out_of_place
from ..edits.layers import settings
from ..registry import Edit, Hit, Page, rule
from ..runs import Runs

_MASKS = {"aten.bernoulli", "aten.bernoulli_", "aten.native_dropout"}
_DROPOUTS = {
    "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_dropout", "alpha_dropout",
    "feature_alpha_dropout", "scaled_dot_product_attention", "multi_head_attention_forward",
}  # fmt: skip
"""Functions that drop elements unless they are passed `training=False` or a probability of 0."""

_DROPOUT = Page(
    what="Elements are dropped at random in eval mode.",
    why="`F.dropout` drops whatever the mode, unless it gets `training=self.training`; a "
    "`nn.Dropout` that `forward` creates is always in train mode. Predictions are then noisy, and "
    "worse.",
    fires="""\
from torch import nn
from torch.nn import functional as F

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 32)
        self.second = nn.Linear(32, 10)

    def forward(self, x):
        return self.second(F.dropout(self.first(x).relu(), 0.5))
""",
    quiet="""\
from torch import nn
from torch.nn import functional as F

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 32)
        self.second = nn.Linear(32, 10)

    def forward(self, x):
        return self.second(F.dropout(self.first(x).relu(), 0.5, self.training))
""",
    decided="In the run in eval mode a dropout layer, or a function that drops, draws from the "
    "generator, and what it returns reaches the output.",
    wrong="Dropout that is meant to stay on: Monte Carlo dropout, the prenet of Tacotron 2.",
)


@rule("CN501", "dropout-in-eval", "error", _DROPOUT)
def dropout_in_eval(runs: Runs) -> Iterator[Hit]:
    for call in _random_calls(runs, of_dropout=True):
        yield Hit(
            path=call.path, call=call.call, at="called",
            message="{at} drops elements in eval mode too",
            fix=_following_mode(call),
        )  # fmt: skip


def _following_mode(call: Call) -> Edit:
    if call.type == "scaled_dot_product_attention":
        plan = at_call(call.path, call.call, in_training_only("dropout_p", 4))
        return Edit(text="dropout_p=p if self.training else 0.0", plan=plan)
    text = "training=self.training"
    if call.module is not None:
        text = "create the layer in __init__, or F.dropout with training=self.training"
    return Edit(text=text, plan=at_call(call.path, call.call, following_mode))


_RANDOM = Page(
    what="The output depends on random numbers in eval mode.",
    why="Two runs on the same input differ, so tests and deployments are not reproducible.",
    fires="""\
import torch
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(x + torch.randn_like(x))
""",
    quiet="""\
import torch
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        if self.training:
            x = x + torch.randn_like(x)
        return self.head(x)
""",
    decided="In the run in eval mode an operator draws from the generator, and what it returns "
    "reaches the output. Dropout is CN501.",
    wrong="A model that samples: a generator, a variational autoencoder, a policy.",
)


@rule("CN502", "random-in-eval", "hint", _RANDOM)
def random_in_eval(runs: Runs) -> Iterator[Hit]:
    for call in _random_calls(runs, of_dropout=False):
        yield Hit(
            path=call.path, call=call.call, at="called",
            message="{at} draws random numbers in eval mode: two runs differ",
        )  # fmt: skip


def _random_calls(runs: Runs, of_dropout: bool) -> Iterator[Call]:
    """The calls in eval mode that draw random numbers on which the output depends."""
    found: set[int] = set()
    for number, op in enumerate(runs.eval.ops):
        if op.call < 0 or op.call in found or number not in runs.flow.reaching_output:
            continue
        if Trait.RANDOM not in traits_of(op.name) and op.name not in _MASKS:
            continue
        call = runs.eval.calls[op.call]
        drops = op.name in _MASKS and (
            call.type in _DROPOUTS or (call.module is not None and call.module.library)
        )
        if drops is of_dropout:
            found.add(op.call)
            yield call


_IN_PLACE = Page(
    what="The backward pass fails: something that a gradient needs was changed in place.",
    why="The model runs, and no training step does: autograd saves the output of a sigmoid, a "
    "softmax or a ReLU for its gradient, and refuses if `relu_`, `+=` or an assignment has changed "
    "it since.",
    fires="""\
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        gate = self.first(x).sigmoid()
        gate += 1
        return self.head(x * gate)
""",
    quiet="""\
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        gate = self.first(x).sigmoid()
        gate = gate + 1
        return self.head(x * gate)
""",
    decided="The model runs in train mode with a backward pass from all of its outputs; autograd "
    "itself refuses. The change is the first operator in place, after the layer whose gradient "
    "failed, on what that layer read or returned.",
    wrong="A model that is never trained.",
)


@rule("CN503", "inplace-breaks-backward", "error", _IN_PLACE)
def inplace_breaks_backward(runs: Runs) -> Iterator[Hit]:
    error = runs.failure("backward")
    if error is None or About.IN_PLACE not in about(error.__cause__ or error):
        return
    path, number = error.calls[-1] if error.calls else ("", 0)
    saved = next((c for c in runs.train.calls if (c.path, c.call) == (path, number)), None)
    change = None if saved is None else _change_after(runs.train, saved)
    if change is None or saved is None:
        yield Hit(
            path=path, call=number, at="called",
            message="training fails: at {at} something is changed in place that autograd needs",
        )  # fmt: skip
        return
    yield Hit(
        path=change.path, call=change.call, at="called",
        message="training fails: {at} changes in place what the gradient of {saved} needs",
        values={"saved": saved.path or saved.type}, fix=_out_of_place(change),
    )  # fmt: skip


def _out_of_place(change: Call) -> Edit:
    if change.module is not None:
        plan = settings(change.path, {"inplace": False}, everywhere=True)
        return Edit(text="inplace=False", plan=plan)
    return Edit(
        text="not in place",
        plan=at_expression(change.path, change.call, out_of_place, everywhere=True),
    )


def _change_after(trace: Trace, saved: Call) -> Call | None:
    """The first call after `saved` that changes in place what it read or returned."""
    base: dict[int, int] = {}
    values: set[int] = set()
    last = -1
    for number, op in enumerate(trace.ops):
        if Trait.LAYOUT in traits_of(op.name) and op.inputs:
            root = base.get(op.inputs[0].value, op.inputs[0].value)
            base.update((out.value, root) for out in op.outputs)
        if op.call == saved.index:
            specs = (*op.inputs, *op.outputs)
            values.update(base.get(spec.value, spec.value) for spec in specs)
            last = number
    for op in trace.ops[last + 1 :]:
        if is_in_place(op.name) and op.inputs and op.call >= 0:
            changed = op.inputs[0].value
            if base.get(changed, changed) in values:
                return trace.calls[op.call]
    return None
