"""CN207, CN311, CN705 and CN706: the head of a network, and widths."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ...inputs import format_shape
from ...operators.convolution import Convolution
from ...operators.linear import Matmul
from ...operators.registry import Trait, cost_of, traits_of, view_of
from ...operators.sequences import Softmax
from ...trace.records import Op, TensorSpec
from ..flow import Flow, is_regrouping
from ..registry import Edit, Hit, Page, rule
from ..regroupings import origin
from ..runs import Runs

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
            fix=Edit(text=f"flatten(1) before it, and in_features={prod(shape[1:])}"),
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


@rule("CN311", "activation-at-output", "hint", _ACTIVATION, optional=True)
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
        fix=Edit(text="return the scores, and apply it where they are shown"),
    )  # fmt: skip


def _activation(op: Op) -> str | None:
    view = view_of(op)
    if isinstance(view, Softmax):
        return "log-softmax" if view.is_log else "softmax"
    return "sigmoid" if op.name in _SIGMOIDS else "ReLU" if op.name in _RELUS else None


_EIGHT = Page(
    what="A width of a convolution or product is no multiple of 8.",
    why="Tensor cores multiply in half precision in blocks of 8. Another width is padded, or runs "
    "on slower kernels: 50,257 columns take longer than 50,264.",
    fires="""\
from torch import nn

example_input = (16, 64)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 8))
""",
    quiet="""\
from torch import nn

example_input = (16, 64)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 104), nn.ReLU(), nn.Linear(104, 8))
""",
    decided="The widths of layers with at least 2 % of the MACs. Up to 4 channels count as those "
    "of an image.",
    wrong="Training in float32, or on a device without tensor cores.",
)


@rule("CN705", "width-of-8", "hint", _EIGHT, optional=True)
def width_of_eight(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow
    costs = [cost_of(op) for op in flow.ops]
    macs = [0 if cost is None else cost.macs for cost in costs]
    for number, op in enumerate(flow.ops):
        if not macs[number] or macs[number] * 50 < sum(macs):
            continue
        view = view_of(op)
        if isinstance(view, Convolution) and view.groups == 1 and view.weight.parameter:
            widths = view.in_channels, op.outputs[0].shape[1]
        elif isinstance(view, Matmul) and view.b.parameter:
            widths = view.inner, op.outputs[0].shape[-1]
        else:
            continue
        odd = next((width for width in widths if width > 4 and width % 8), None)
        if odd is not None:
            path, call = flow.place(number)
            yield Hit(
                path=path, call=call, macs=macs[number],
                message="a width of {at} is {width}: {next} is faster in half precision",
                values={"width": f"{odd:,}", "next": f"{odd + -odd % 8:,}"},
            )  # fmt: skip


_HEAVY = Page(
    what="Most of the parameters are in the first linear layer behind a flatten.",
    why="A linear layer on a flattened map has a weight for each position, class and channel: it "
    "holds most of the network, overfits, and fixes the size of the input. Averaging the positions "
    "first (Lin et al., Network in Network) leaves one weight for each channel.",
    fires="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(65536, 10)
        )
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(64, 10),
        )
""",
    decided="The weight of a linear layer that reads a view which merges channels with more than "
    "one position has over half of the parameters.",
    wrong="Networks of which that is known, such as AlexNet and VGG.",
)


@rule("CN706", "heavy-head", "hint", _HEAVY, optional=True)
def heavy_head(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow
    total = sum(p.numel for p in flow.trace.parameters if not p.buffer)
    for number, op in enumerate(flow.ops):
        view = view_of(op) if Trait.PROJECTION in traits_of(op.name) else None
        if not isinstance(view, Matmul) or not view.b.parameter or view.b.numel * 2 < total:
            continue
        source = flow.source(number, view.a)
        if source is None or not is_regrouping(flow.ops[source]):
            continue
        shape = origin(flow, source).shape
        if len(shape) == 4 and prod(shape[2:]) > 1 and prod(shape[1:]) == view.inner:
            path, call = flow.place(number)
            classes = op.outputs[0].shape[-1]
            yield Hit(
                path=path, call=call, params=view.b.numel,
                message="{at} has {share} of the parameters, {params}: it reads a flattened map of "
                "{shape}",
                values={
                    "share": f"{view.b.numel / total:.0%}", "shape": format_shape(shape[1:])
                },
                fix=Edit(text=f"an average pool before it: {shape[1] * classes:,} weights"),
            )  # fmt: skip
