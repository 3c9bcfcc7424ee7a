"""CN108, CN207 and CN311: what a network returns."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ...analysis.dataflow import returns_nothing
from ...inputs import format_shape
from ...operators.linear import Matmul
from ...operators.registry import Trait, traits_of, view_of
from ...operators.sequences import Softmax
from ...trace.records import Op, TensorSpec
from ..edits.calls import all_of, at_call, first_of, flattened, operand_alone
from ..edits.layers import layer_before, settings, without_last_layer
from ..edits.statements import with_return
from ..flow import Flow, is_regrouping
from ..registry import Edit, Hit, Page, rule
from ..regroupings import origin
from ..runs import Runs
from ..source_code import last_statement

_NOTHING = Page(
    what="`forward` computes something and returns None.",
    why="A method without `return` returns None: the model runs, and the first use of its output "
    "fails, often far away, in the loss.",
    fires="""\
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.head(x)
""",
    quiet="""\
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.head(x)
        return x
""",
    decided="In eval mode operators run, and `forward` returns None.",
    wrong="A model that stores its results as attributes.",
)


@rule("CN108", "returns-nothing", "warning", _NOTHING)
def forward_returns_nothing(runs: Runs) -> Iterator[Hit]:
    if not returns_nothing(runs.eval):
        return
    last = last_statement(type(runs.model), "forward")
    yield Hit(
        path="", message="forward returns None: is a return missing?", place=last,
        fix=None if last is None else Edit(text="return it", plan=with_return(last)),
    )  # fmt: skip


_WIDTH = Page(
    what="A linear layer runs along the width of a map, and the output still has its channels and "
    "rows.",
    why="A linear layer acts on the last axis. Without a flatten before it, it maps the 28 columns "
    "of each row of each channel: the output has 4 axes, not N × classes. The sizes fit by "
    "accident.",
    fires="""\
from torch import nn

example_input = (4, 1, 28, 28)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.head = nn.Linear(28, 10)

    def forward(self, x):
        return self.head(self.conv(x).relu())
""",
    quiet="""\
from torch import nn

example_input = (4, 1, 28, 28)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.head = nn.Linear(8 * 28 * 28, 10)

    def forward(self, x):
        return self.head(self.conv(x).relu().flatten(1))
""",
    decided="In eval mode the operand of the layer is the output of a convolution or pool in two "
    "dimensions, or an image that is an input, its axes in their order, and up to the output "
    "follow only linear layers, norms and elementwise operators. For an image it is a hint.",
    wrong="A model that maps the columns of each row on purpose, such as the frequencies of a "
    "spectrogram.",
)


@rule("CN207", "linear-over-width", "warning", _WIDTH)
def linear_over_width(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow
    maps = _maps(flow)
    for number, op in enumerate(flow.ops):
        if Trait.PROJECTION not in traits_of(op.name):
            continue
        view = view_of(op)
        if not isinstance(view, Matmul) or not view.b.parameter:
            continue
        shape = _map_shape(flow, number, view.a, maps)
        if shape is None or shape[-1] != view.inner or not _reaches_output_as_it_is(flow, number):
            continue
        path, call = flow.place(number)
        is_input = flow.before(number, view.a, lambda n: is_regrouping(flow.ops[n])) is None
        yield Hit(
            path=path, call=call, severity="hint" if is_input else None,
            message="{at} runs along the width of a map of {shape}; the output is {output}",
            values={
                "shape": format_shape(shape),
                "output": format_shape(flow.trace.calls[0].outputs[0].shape),
            },
            fix=Edit(
                text=f"flatten(1) before it, and in_features={prod(shape[1:])}",
                plan=all_of(
                    first_of(at_call(path, call, flattened), layer_before(path, "Flatten()")),
                    settings(path, {"in_features": prod(shape[1:])}),
                ),
            ),
        )  # fmt: skip


def _map_shape(
    flow: Flow, number: int, operand: TensorSpec, maps: set[int]
) -> tuple[int, ...] | None:
    """The shape of the map that a linear layer reads, behind the view that torch puts before it."""
    source = flow.source(number, operand)
    if source is not None and is_regrouping(flow.ops[source]):
        before = origin(flow, source)
        rows = prod(before.shape[:-1])
        if flow.ops[source].outputs[0].shape != (rows, before.shape[-1]):
            return None
        return before.shape if before.value in maps else None
    return operand.shape if operand.value in maps else None


def _maps(flow: Flow) -> set[int]:
    """The values that are maps of channels, rows and columns, in this order."""
    found = {
        item.tensor.value
        for item in flow.trace.inputs
        if len(item.tensor.shape) == 4
        and item.tensor.shape[1] in (1, 3)
        and min(item.tensor.shape[2:]) > 3
    }
    for op in flow.ops:
        if not op.outputs or len(op.outputs[0].shape) != 4:
            continue
        traits = traits_of(op.name)
        x = op.inputs[0] if op.inputs else None
        same = Trait.ELEMENTWISE in traits or Trait.NORM in traits or op.name == "aten.clone"
        keeps = same and any(
            spec.value in found and spec.shape == op.outputs[0].shape for spec in op.inputs
        )
        is_window = Trait.WINDOW in traits and x is not None and len(x.shape) == 4
        if keeps or (is_window and min(op.outputs[0].shape[2:]) > 1):
            found.add(op.outputs[0].value)
    return found


def _reaches_output_as_it_is(flow: Flow, number: int) -> bool:
    """Whether no operator behind a layer combines the axes that it leaves as they are."""
    ahead, known = [number], {number}
    while ahead:
        for reader in flow.readers(ahead.pop()):
            if reader in known:
                continue
            known.add(reader)
            op = flow.ops[reader]
            traits = traits_of(op.name)
            view = view_of(op)
            allowed = (
                bool(traits & (Trait.ELEMENTWISE | Trait.NORM))
                or isinstance(view, Softmax)
                or (isinstance(view, Matmul) and bool(view.b.parameter))
                or is_regrouping(op)
            )
            if not allowed:
                return False
            ahead.append(reader)
    outputs = flow.trace.calls[0].outputs
    return len(outputs) == 1 and len(outputs[0].shape) == 4 and not flow.returned.isdisjoint(known)


_ACTIVATION = Page(
    what="The output of the model is that of a softmax, sigmoid or ReLU.",
    why="`nn.CrossEntropyLoss` applies a log-softmax itself and `nn.BCEWithLogitsLoss` a sigmoid: "
    "a second one before it flattens the gradient, and training is slow or stops. A ReLU cuts off "
    "the negative scores.",
    fires="""\
from torch import nn

example_input = (4, 20)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(20, 10), nn.Softmax(dim=1))
""",
    quiet="""\
from torch import nn

example_input = (4, 20)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(20, 10))
""",
    decided="What computes the first output in eval mode, behind views. With `--loss cross-entropy`"
    " or `--loss bce-logits` it is a warning.",
    wrong="Training with `nn.NLLLoss` or `nn.BCELoss`, or a model that is not trained.",
)
_SIGMOIDS = ("aten.sigmoid", "aten.sigmoid_", "aten.hardsigmoid")
_RELUS = ("aten.relu", "aten.relu_")


@rule("CN311", "activation-at-output", "hint", _ACTIVATION, optional=True, about_loss=True)
def activation_at_output(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow
    outputs = flow.trace.calls[0].outputs
    if not outputs:
        return
    number = flow.writer(outputs[0])
    while number is not None and (
        Trait.LAYOUT in traits_of(flow.ops[number].name) or flow.is_unchanged(number)
    ):
        number = flow.source(number, flow.ops[number].inputs[0])
    kind = None if number is None else _activation(flow.ops[number])
    if number is None or kind is None:
        return
    path, call = flow.place(number)
    without = {"cross-entropy": "nn.CrossEntropyLoss", "bce-logits": "nn.BCEWithLogitsLoss"}
    loss = without.get(runs.loss or "", "nn.CrossEntropyLoss or nn.BCEWithLogitsLoss")
    yield Hit(
        path=path, call=call, at="called",
        message="the output is that of a {kind}: {loss} expects scores",
        values={"kind": kind, "loss": loss},
        severity="warning" if runs.loss and kind != "log-softmax" else None,
        fix=Edit(
            text="return the scores, and apply it where they are shown",
            plan=first_of(at_call(path, call, operand_alone), without_last_layer(path)),
        ),
    )  # fmt: skip


def _activation(op: Op) -> str | None:
    view = view_of(op)
    if isinstance(view, Softmax):
        return "log-softmax" if view.is_log else "softmax"
    return "sigmoid" if op.name in _SIGMOIDS else "ReLU" if op.name in _RELUS else None
