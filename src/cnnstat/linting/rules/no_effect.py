"""CN302, CN303, CN310 and CN312: layers that do nothing, or not what they seem to do."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from ...inputs import format_shape
from ...operators.convolution import Convolution
from ...operators.linear import Matmul
from ...operators.registry import Trait, View, traits_of, view_of
from ...operators.sequences import Attention, Softmax
from ...trace.records import Op
from ..edits.calls import along, at_call, first_of, operand_alone, with_relu
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


_CONSTANT = Page(
    what="A softmax runs over an axis of one element.",
    why="It is 1, whatever comes in: what computes its input gets no gradient and has no effect. "
    "An attention over one key is such a case.",
    fires="""\
from torch import nn

example_input = (4, 20)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 1), nn.Softmax(dim=1))
""",
    quiet="""\
from torch import nn

example_input = (4, 20)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
""",
    decided="The size of the axis in eval mode, at the sizes of the input. If it is larger on "
    "images of twice the size, the finding is a warning. The parameters that are named reach the "
    "output through this softmax only.",
    wrong="An input with a sequence of one step, or smaller than those that the model is made for.",
)


@rule("CN303", "constant-softmax", "error", _CONSTANT)
def constant_softmax(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow
    for number in sorted(flow.from_inputs):
        view = view_of(flow.ops[number])
        if _summed_size(view) != 1:
            continue
        path, call = flow.place(number)
        params = flow.parameters_only_through(number)
        consequence = ": {params} parameters get no gradient" if params else ""
        shape = view.key.shape if isinstance(view, Attention) else flow.ops[number].inputs[0].shape
        yield Hit(
            path=path, call=call, at="called",
            params=sum(p.numel for p in flow.trace.parameters if p.name in params),
            message="softmax over 1 element of {shape} is constant" + consequence,
            values={"shape": format_shape(shape)},
            severity="warning" if _grows(runs, number) else None,
        )  # fmt: skip


def _grows(runs: Runs, number: int) -> bool:
    """Whether the axis that a softmax runs over is longer on larger images.

    Sizes of 1 change how torch lays out tensors, so that only the softmaxes are compared.
    """
    larger = runs.on_larger_images
    if larger is None:
        return False
    here = [n for n, op in enumerate(runs.flow.ops) if _summed_size(view_of(op)) is not None]
    sizes = [size for op in larger.ops if (size := _summed_size(view_of(op))) is not None]
    return len(here) == len(sizes) and sizes[here.index(number)] > 1


def _summed_size(view: View | None) -> int | None:
    """The number of elements that a softmax divides by their sum; None for other operators."""
    if isinstance(view, Softmax):
        return view.x.shape[view.dim] if view.x.shape else 1
    return view.key.shape[-2] if isinstance(view, Attention) else None


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


_NO_DIM = Page(
    what="A softmax is called without `dim`.",
    why="torch then guesses: axis 0 for 1, 3 and more than 4 dimensions, else axis 1. For a "
    "sequence of 3 dimensions that is the batch. It warns, and the guess is deprecated.",
    fires="""\
from torch import nn

example_input = (4, 20)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(20, 10), nn.Softmax())
""",
    quiet="""\
from torch import nn

example_input = (4, 20)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(20, 10), nn.Softmax(dim=-1))
""",
    decided="The `dim` of the layers that run is None, and that of the calls of `F.softmax`, "
    "`F.log_softmax` and `F.softmin` in eval mode.",
    wrong="Never: the axis that is meant can be named.",
)
_SOFTMAXES = ("Softmax", "LogSoftmax", "Softmin")
_FUNCTIONS = ("softmax", "log_softmax", "softmin")


@rule("CN312", "softmax-without-dim", "warning", _NO_DIM)
def softmax_without_dim(runs: Runs) -> Iterator[Hit]:
    calls = runs.eval.calls
    functions = [c for c in calls if c.kind == "function" and c.type in _FUNCTIONS]
    arguments = runs.arguments_of_calls if functions else {}
    for call in calls:
        if call.module is not None:
            guessed = call.module.base in _SOFTMAXES and call.module.settings.get("dim", 0) is None
        else:
            args, named = arguments.get((call.path, call.call), ((), {"dim": 0}))
            guessed = call.type in _FUNCTIONS and len(args) < 2 and named.get("dim") is None
        if guessed and call.inputs:
            rank = len(call.inputs[0].shape)
            axis = 0 if rank in (0, 1, 3) else 1  # as torch.nn.functional guesses
            meant = 1 if axis == 1 else -1
            yield Hit(
                path=call.path, call=call.call,
                at="created" if call.module else "called",
                message="{at} guesses its axis: {axis} of {shape}",
                values={"axis": axis, "shape": format_shape(call.inputs[0].shape)},
                fix=Edit(
                    text=f"dim={meant}, or the axis that is meant", plan=along(call, meant)
                ),
            )  # fmt: skip
