"""CN302 and CN310: layers that add nothing to those before them."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from ...operators.convolution import Convolution
from ...operators.linear import Matmul
from ...operators.registry import Trait, traits_of, view_of
from ...trace.records import Op
from ..edits.calls import at_call, first_of, operand_alone, with_relu
from ..edits.layers import layer_before
from ..flow import Flow, is_regrouping
from ..registry import Edit, Hit, Page, rule
from ..runs import Runs

_LINEAR = Page(
    what="Two convolutions or linear layers follow each other with nothing between them.",
    why="Together they are one linear map: one layer of the outer sizes does the same with fewer "
    "parameters. Usually an activation was forgotten.",
    fires="""\
from torch import nn

example_input = (4, 20)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(20, 64), nn.Linear(64, 10))
""",
    quiet="""\
from torch import nn

example_input = (4, 20)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 10))
""",
    decided="In eval mode the second layer is the only one that reads the first, with only views "
    "between. One of two convolutions has a 1×1 kernel, and no groups. The width between them is "
    "at least that of the narrower side, and one layer has no more weights than both: otherwise "
    "they are a factorisation that saves some.",
    wrong="Layers that are trained apart or of which one is replaced later.",
)


class _Map(NamedTuple):
    """A linear map with a weight of its own: its widths, and the positions of its kernel."""

    inner: int
    outer: int
    positions: int
    params: int


@rule("CN302", "linear-after-linear", "warning", _LINEAR)
def linear_after_linear(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow
    for number, op in enumerate(flow.ops):
        first = _linear_map(op)
        reader = _next_layer(flow, number) if first else None
        second = _linear_map(flow.ops[reader]) if reader is not None else None
        if first is None or second is None or reader is None or first.outer != second.inner:
            continue
        if 1 not in (first.positions, second.positions):
            continue
        weights = first.inner * second.outer * first.positions * second.positions
        if first.outer < min(first.inner, second.outer) or weights > first.params + second.params:
            continue
        (before, its_call), (path, call) = flow.place(number), flow.place(reader)
        if before == path:  # both are inside one layer of torch's
            continue
        yield Hit(
            path=path, call=call, params=first.params + second.params,
            message="nothing stands between {before} ({a}→{b}) and {at} ({b}→{c}): one layer "
            "does the same",
            values={"before": before, "a": first.inner, "b": first.outer, "c": second.outer},
            fix=Edit(
                text="an activation between them",
                plan=first_of(at_call(before, its_call, with_relu), layer_before(path, "ReLU()")),
            ),
        )  # fmt: skip


def _linear_map(op: Op) -> _Map | None:
    if Trait.PROJECTION not in traits_of(op.name):
        return None
    view = view_of(op)
    if isinstance(view, Convolution) and view.groups == 1 and view.weight.parameter:
        channels = view.in_channels
        outer = op.outputs[0].shape[1]
        return _Map(channels, outer, prod(view.weight.shape[2:]), view.weight.numel)
    if isinstance(view, Matmul) and view.b.parameter and not view.a.parameter:
        return _Map(view.inner, op.outputs[0].shape[-1], 1, view.b.numel)
    return None


def _next_layer(flow: Flow, number: int) -> int | None:
    """The only operator that reads the output of a layer, behind views that keep its features."""
    out = flow.ops[number].outputs[0].shape
    axis = 1 if isinstance(view_of(flow.ops[number]), Convolution) else len(out) - 1
    width, positions = out[axis], prod(out[axis + 1 :])
    reader = flow.only_reader(number)
    while reader is not None and (is_regrouping(flow.ops[reader]) or flow.is_unchanged(reader)):
        shape = flow.ops[reader].outputs[0].shape
        if positions == 1 and shape[-1:] != (width,) and shape != out:
            return None
        if positions > 1 and shape != out:
            return None
        reader = flow.only_reader(reader)
    return reader


_RELU = Page(
    what="A ReLU runs on values that are not negative already.",
    why="It returns what it gets. Behind another ReLU, a sigmoid or a softmax it is superfluous, "
    "and may stand in the place of another layer.",
    fires="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.ReLU())
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 16, 3), nn.MaxPool2d(2), nn.ReLU())
""",
    decided="What computes its input is a ReLU, sigmoid, softmax or similar, followed only by "
    "pools, views, resizing, and sums, means and concatenations of such values.",
    wrong="A block that is used in several places, some of which need it.",
)
_NOT_NEGATIVE = {
    f"aten.{name}" for name in (
        "relu", "relu_", "relu6", "relu6_", "sigmoid", "sigmoid_", "hardsigmoid", "hardsigmoid_",
        "softplus", "exp", "exp_", "abs", "square", "_softmax", "_safe_softmax",
    )
}  # fmt: skip
_KEEP_SIGN = {
    f"aten.{name}" for name in (
        "max_pool2d", "max_pool2d_with_indices", "max_pool3d_with_indices", "avg_pool2d",
        "avg_pool3d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_max_pool2d", "mean",
        "sum", "amax", "max", "cat", "stack", "add", "add_", "mul", "mul_", "maximum",
        "upsample_nearest2d", "upsample_bilinear2d", "constant_pad_nd", "clone", "native_dropout",
    )
}  # fmt: skip


@rule("CN310", "relu-no-effect", "hint", _RELU)
def relu_no_effect(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow
    not_negative: set[int] = set()
    for number, op in enumerate(flow.ops):
        sources = [flow.source(number, spec) for spec in op.inputs]
        preserved = bool(sources) and all(source in not_negative for source in sources)
        if op.name in ("aten.relu", "aten.relu_") and preserved:
            path, call = flow.place(number)
            before = flow.place(flow.before(number, op.inputs[0]) or 0)[0]
            yield Hit(
                path=path, call=call, at="called",
                message="the input of {at} is not negative: it comes from {before}",
                values={"before": before},
                fix=Edit(text="remove it", plan=at_call(path, call, operand_alone)),
            )  # fmt: skip
        layout = Trait.LAYOUT in traits_of(op.name)
        if op.name in _NOT_NEGATIVE or (preserved and (layout or op.name in _KEEP_SIGN)):
            not_negative.add(number)
