"""CN303 and CN312: a softmax over one element, and one that guesses its axis."""

from __future__ import annotations

from collections.abc import Iterator

from ...inputs import format_shape
from ...operators.registry import View, view_of
from ...operators.sequences import Attention, Softmax
from ..edits.calls import along, usual_axis
from ..registry import Edit, Hit, Page, rule
from ..runs import Runs

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
            meant = usual_axis(call.inputs[0].shape)
            yield Hit(
                path=call.path, call=call.call,
                at="created" if call.module else "called",
                message="{at} guesses its axis: {axis} of {shape}",
                values={"axis": axis, "shape": format_shape(call.inputs[0].shape)},
                fix=Edit(
                    text=f"dim={meant}, or the axis that is meant", plan=along(call, meant)
                ),
            )  # fmt: skip
