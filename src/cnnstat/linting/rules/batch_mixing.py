"""CN201 and CN202: operators that combine the examples of a batch."""

from __future__ import annotations

from collections.abc import Iterator

from ...choices import Severity
from ...inputs import format_shape
from ...operators.convolution import Convolution
from ...operators.linear import Matmul
from ...operators.normalization import LayerNorm
from ...operators.registry import View, view_of
from ...operators.sequences import Attention, Softmax
from ...trace.records import Call
from ..batches import Batches
from ..edits.calls import along, usual_axis
from ..edits.layers import settings
from ..registry import Edit, Hit, Page, rule
from ..runs import Runs

STEPS_FIRST = (
    "A model whose inputs have the steps of a sequence first, and the batch second. If nothing "
    "shows that the first axis is the batch (a convolution, a batch norm, one row of the output "
    "for each example), the finding is a hint. `batch-axis` in the settings names the axis, or "
    "that there is none."
)
TWO_RUNS = (
    "The model runs on batches of 11 and of 13. An axis that grows in that proportion is the batch."
)

_MIXED = Page(
    what="A product, an attention or a convolution sums over the axis that is the batch.",
    why="What the model returns for one image then depends on the others in its batch: training "
    "seems to work, and results change with the order of the data.",
    fires="""\
from torch import nn

example_input = (8, 49, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x, _ = self.attention(x, x, x)
        return self.head(x.mean(1))
""",
    quiet="""\
from torch import nn

example_input = (8, 49, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x, _ = self.attention(x, x, x)
        return self.head(x.mean(1))
""",
    decided=f"{TWO_RUNS} The rule looks for it among the axes that matrix products and attention "
    "sum over, those along which a kernel slides, channels of a convolution and axes of a layer "
    "norm.",
    wrong=f"{STEPS_FIRST} A model that compares the examples of a batch on purpose.",
)


@rule("CN201", "batch-mixed", "error", _MIXED)
def batch_mixed(runs: Runs) -> Iterator[Hit]:
    batches = runs.batch_pair
    named: set[tuple[str, int]] = set()
    for number, what in _mixing(batches):
        op = batches.small.ops[number]
        call = batches.small.calls[op.call]
        if (call.path, call.call) in named:
            continue
        named.add((call.path, call.call))
        shape = runs.shape_of(number) or op.inputs[0].shape
        yield Hit(
            path=call.path, call=call.call, at="created" if call.module else "called",
            message="{at} {what} the batch, an axis of {shape}",
            values={"what": what, "shape": format_shape(shape)},
            severity=certainty(batches), fix=batch_first(call),
        )  # fmt: skip


def _mixing(batches: Batches) -> Iterator[tuple[int, str]]:
    """The operators that combine the examples of a batch, and what they do."""
    for number, small in enumerate(batches.small.ops):
        a, b = (view_of(op) for op in batches.pair(number))
        if a is not None and b is not None and (what := _mixed_by(a, b, batches)):
            yield number, what if small.name != "aten.bmm" else "attends along"


def _mixed_by(a: View, b: View, batches: Batches) -> str | None:
    if isinstance(a, Matmul) and isinstance(b, Matmul):
        return "sums over" if batches.is_batch(a.inner, b.inner) else None
    if isinstance(a, Attention) and isinstance(b, Attention):
        steps = a.key.shape[-2], b.key.shape[-2]
        return "attends along" if batches.is_batch(*steps) else None
    if isinstance(a, LayerNorm) and isinstance(b, LayerNorm):
        sizes = zip(a.normalized, b.normalized, strict=True)
        return "normalises over" if any(batches.is_batch(*pair) for pair in sizes) else None
    if isinstance(a, Convolution) and isinstance(b, Convolution):
        channels = a.x.shape[1], b.x.shape[1]
        if batches.is_batch(*channels) and not batches.is_batch(a.groups, b.groups):
            return "convolves the channels of"
        axes = {axis - 2 for axis in batches.axes(a.x, b.x)}
        if any(axis >= 0 and size > 1 for axis, size in enumerate(a.weight.shape[2:])
               if axis in axes):  # fmt: skip
            return "slides a kernel along"
    return None


def certainty(batches: Batches) -> Severity | None:
    """None for the severity of the rule; a hint, if the first axis may be that of a sequence."""
    return None if batches.is_certain else "hint"


def batch_first(call: Call) -> Edit | None:
    if call.module is None or call.module.settings.get("batch_first") is not False:
        return None
    return Edit(text="batch_first=True", plan=settings(call.path, {"batch_first": True}))


_SOFTMAX = Page(
    what="A softmax runs along the axis that is the batch.",
    why="The scores of one example are divided by those of the others: the sum over its classes is "
    "not 1, and a batch of one gives 1 everywhere.",
    fires="""\
from torch import nn

example_input = (8, 3, 32, 32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.conv(x).relu().mean((2, 3))
        return self.head(x).softmax(0)
""",
    quiet="""\
from torch import nn

example_input = (8, 3, 32, 32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.conv(x).relu().mean((2, 3))
        return self.head(x).softmax(1)
""",
    decided=f"{TWO_RUNS} A softmax of which two axes are the batch compares all pairs of examples,"
    " as contrastive losses do, and is left out; so is that of an attention that CN201 reports.",
    wrong=STEPS_FIRST,
)


@rule("CN202", "softmax-over-batch", "error", _SOFTMAX)
def softmax_over_batch(runs: Runs) -> Iterator[Hit]:
    batches = runs.batch_pair
    mixed = {batches.small.ops[number].call for number, _ in _mixing(batches)}
    for number, op in enumerate(batches.small.ops):
        view = view_of(op)
        if not isinstance(view, Softmax) or op.call in mixed:
            continue
        axes = batches.input_axes(number)
        if axes == (view.dim % len(view.x.shape),):
            call = batches.small.calls[op.call]
            meant = usual_axis(view.x.shape)
            yield Hit(
                path=call.path, call=call.call, at="called",
                message="softmax along axis {axis} of {shape}, which is the batch",
                values={
                    "axis": axes[0],
                    "shape": format_shape(runs.shape_of(number) or view.x.shape),
                },
                severity=certainty(batches),
                fix=Edit(text=f"dim={meant}", plan=along(call, meant)),
            )  # fmt: skip
