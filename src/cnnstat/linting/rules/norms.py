"""CN301, CN304, CN308 and CN309: norms, and what stands before them."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ...inputs import format_shape
from ...operators.convolution import Convolution
from ...operators.linear import Matmul
from ...operators.normalization import BatchNorm, GroupNorm, LayerNorm
from ...operators.registry import Trait, View, traits_of, view_of
from ...trace.records import TensorSpec
from ..edits.layers import settings
from ..flow import Flow, is_regrouping
from ..registry import Edit, Hit, Page, rule
from ..runs import Runs

_BIAS = Page(
    what="A convolution or linear layer has a bias, and only a batch norm reads its output.",
    why="The norm subtracts the mean of each channel, and with it the bias: the parameters are "
    "stored and updated without effect. The shift that the norm learns replaces them.",
    fires="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU())
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU())
""",
    decided="In eval mode, the one operator that reads the output of the layer is a batch norm "
    "over its channels, or an instance norm. Its statistics must be those of the data in training.",
    wrong="A layer whose norm is frozen, and a bias that published weights have.",
)


@rule("CN301", "bias-before-norm", "hint", _BIAS)
def bias_before_norm(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow
    for number, op in enumerate(flow.ops):
        view = view_of(op) if Trait.PROJECTION in traits_of(op.name) else None
        bias = bias_of(view)
        if bias is not None and _is_normalised_alone(flow, number):
            path, call = flow.place(number)
            yield Hit(
                path=path, call=call, at="arguments", params=bias.numel,
                message="{params} biases of {at} are removed by the norm behind",
                fix=Edit(text="bias=False", plan=settings(path, {"bias": False})),
            )  # fmt: skip


def bias_of(view: View | None) -> TensorSpec | None:
    """The trained bias of a convolution or linear layer."""
    bias = None
    if isinstance(view, Convolution):
        bias = view.bias
    elif isinstance(view, Matmul):
        bias = view.added
    return bias if bias is not None and bias.parameter and len(bias.shape) == 1 else None


def _is_normalised_alone(flow: Flow, number: int) -> bool:
    """Whether a batch norm is all that reads the output of an operator, channel by channel."""
    channels = flow.ops[number].outputs[0].shape[1:2]
    reader = flow.only_reader(number)
    while reader is not None and is_regrouping(flow.ops[reader]):
        reader = flow.only_reader(reader)  # an instance norm merges the batch with the channels
    norm = None if reader is None else view_of(flow.ops[reader])
    if not isinstance(norm, BatchNorm):
        return False
    per_example = norm.x.shape[0] == 1 and norm.statistics and norm.mean is None
    return per_example or (norm.x.shape == flow.ops[number].outputs[0].shape and bool(channels))


_ONE_VALUE = Page(
    what="A layer norm or group norm computes its statistics over one value.",
    why="The value minus its mean is 0: the norm returns its bias, whatever comes in.",
    fires="""\
from torch import nn

example_input = (4, 20)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(20, 1), nn.LayerNorm(1))
""",
    quiet="""\
from torch import nn

example_input = (4, 20)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(20, 16), nn.LayerNorm(16), nn.Linear(16, 1))
""",
    decided="The number of elements of a group is 1 in eval mode, at the sizes of the input.",
    wrong="An input smaller than those that the model is made for.",
)


@rule("CN304", "constant-norm", "error", _ONE_VALUE)
def constant_norm(runs: Runs) -> Iterator[Hit]:
    for number, op in enumerate(runs.flow.ops):
        view = view_of(op) if Trait.NORM in traits_of(op.name) else None
        if isinstance(view, LayerNorm) and view.has_mean:
            count = prod(view.normalized)
        elif isinstance(view, GroupNorm) and view.groups:
            count = prod(view.x.shape[1:]) // view.groups
        else:
            continue
        if count == 1:
            path, call = runs.flow.place(number)
            yield Hit(
                path=path, call=call,
                message="{at} normalises single values of {shape}: it returns its bias",
                values={"shape": format_shape(view.x.shape)},
            )  # fmt: skip


_SINGLE = Page(
    what="A batch norm runs on maps of one position.",
    why="In training it then normalises over the batch alone: a batch of one fails with `Expected "
    "more than 1 value per channel`, as the last batch of an epoch may be, and small batches give "
    "poor statistics.",
    fires="""\
from torch import nn

example_input = (4, 3, 16, 16)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 16, 1, bias=False), nn.BatchNorm2d(16)
        )
""",
    quiet="""\
from torch import nn

example_input = (4, 3, 16, 16)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.AdaptiveAvgPool2d(2), nn.Conv2d(3, 16, 1, bias=False), nn.BatchNorm2d(16)
        )
""",
    decided="The input of a batch norm has more than two axes, and behind the channels one element "
    "only, at the sizes of the input.",
    wrong="Training with large batches, whose last one is dropped if it is smaller.",
)


@rule("CN308", "norm-on-1x1", "hint", _SINGLE)
def norm_on_one_position(runs: Runs) -> Iterator[Hit]:
    for number, op in enumerate(runs.flow.ops):
        view = view_of(op) if Trait.NORM in traits_of(op.name) else None
        if not isinstance(view, BatchNorm) or view.mean is None:
            continue
        shape = view.x.shape
        if len(shape) > 2 and prod(shape[2:]) == 1:
            path, call = runs.flow.place(number)
            yield Hit(
                path=path, call=call,
                message="{at} normalises maps of 1 position, {shape}: a batch of one fails in "
                "training",
                values={"shape": format_shape(shape)},
            )  # fmt: skip


_DROPOUT = Page(
    what="Dropout stands before a batch norm.",
    why="Dropout raises the variance of what the norm sees in training and not in eval mode, where "
    "the running variance is then too large (Li et al., arXiv:1801.05134).",
    fires="""\
from torch import nn

example_input = (4, 20)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Dropout(0.5), nn.BatchNorm1d(20), nn.Linear(20, 10))
""",
    quiet="""\
from torch import nn

example_input = (4, 20)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.BatchNorm1d(20), nn.Dropout(0.5), nn.Linear(20, 10))
""",
    decided="In train mode a batch norm reads the output of a dropout layer, directly or behind "
    "an activation.",
    wrong="A low rate, or statistics that are computed anew in eval mode.",
)


@rule("CN309", "dropout-before-norm", "hint", _DROPOUT, optional=True)
def dropout_before_norm(runs: Runs) -> Iterator[Hit]:
    flow = runs.train_flow
    dropped = {
        spec.value: call.path
        for call in flow.trace.calls
        if call.module and call.module.base.startswith(("Dropout", "AlphaDropout"))
        and call.module.settings.get("p")
        for spec in call.outputs
    }  # fmt: skip
    for number, op in enumerate(flow.ops):
        view = view_of(op) if Trait.NORM in traits_of(op.name) else None
        if not isinstance(view, BatchNorm):
            continue
        values = [view.x.value]
        source = flow.source(number, view.x)
        if source is not None and Trait.ELEMENTWISE in traits_of(flow.ops[source].name):
            values += [spec.value for spec in flow.ops[source].inputs]
        if before := next((dropped[v] for v in values if v in dropped), None):
            path, call = flow.place(number)
            yield Hit(
                path=path, call=call, message="{at} normalises the output of the dropout {before}",
                values={"before": before}, fix=Edit(text="dropout behind the norm"),
            )  # fmt: skip
