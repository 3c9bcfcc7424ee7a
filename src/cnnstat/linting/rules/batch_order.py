"""CN203 and CN208: the batch as the steps of a sequence, or joined with itself."""

from __future__ import annotations

from collections.abc import Iterator

from ...inputs import format_shape
from ...operators.joins import Cat
from ...operators.registry import view_of
from ...operators.sequences import Recurrent
from ..registry import Edit, Hit, Page, rule
from ..runs import Runs
from .batch_mixing import STEPS_FIRST, TWO_RUNS, batch_first, certainty

_RECURRENT = Page(
    what="An LSTM, GRU or RNN steps along the axis that is the batch.",
    why="Without `batch_first=True` torch takes the first axis for the steps. Each image is then "
    "one step of a sequence made of the batch, and the steps are its examples.",
    fires="""\
from torch import nn

example_input = (8, 20, 12)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(12, 32)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x, _ = self.lstm(x)
        return self.head(x[:, -1])
""",
    quiet="""\
from torch import nn

example_input = (8, 20, 12)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(12, 32, batch_first=True)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x, _ = self.lstm(x)
        return self.head(x[:, -1])
""",
    decided=TWO_RUNS,
    wrong=STEPS_FIRST,
)


@rule("CN203", "recurrence-over-batch", "error", _RECURRENT)
def recurrence_over_batch(runs: Runs) -> Iterator[Hit]:
    batches = runs.batch_pair
    for number, op in enumerate(batches.small.ops):
        view = view_of(op)
        if not isinstance(view, Recurrent):
            continue
        steps = 1 if view.batch_first else 0
        if batches.input_axes(number) != (steps,):
            continue
        call = batches.small.calls[op.call]
        yield Hit(
            path=call.path, call=call.call,
            message="{at} steps along axis {axis} of {shape}, which is the batch",
            values={
                "axis": steps,
                "shape": format_shape(runs.shape_of(number) or view.x.shape),
            },
            severity=certainty(batches), fix=batch_first(call),
        )  # fmt: skip


_JOINED = Page(
    what="`cat` joins tensors along the batch, and the model returns the longer batch.",
    why="`dim` of `torch.cat` is 0 unless it is given, which is the batch. The model returns "
    "several rows for each example; features are joined with `dim=1`.",
    fires="""\
import torch
from torch import nn

example_input = ((8, 6), (8, 6))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Linear(6, 16)
        self.right = nn.Linear(6, 16)
        self.head = nn.Linear(16, 10)

    def forward(self, p, q):
        return self.head(torch.cat([self.left(p).relu(), self.right(q).relu()]))
""",
    quiet="""\
import torch
from torch import nn

example_input = ((8, 6), (8, 6))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Linear(6, 16)
        self.right = nn.Linear(6, 16)
        self.head = nn.Linear(32, 10)

    def forward(self, p, q):
        return self.head(torch.cat([self.left(p).relu(), self.right(q).relu()], dim=1))
""",
    decided=f"{TWO_RUNS} All parts have it along the axis of `cat`, and every output of the model "
    "has as many times its size.",
    wrong="A model of pairs that returns both halves one after the other.",
)


@rule("CN208", "batch-joined", "warning", _JOINED)
def batch_joined(runs: Runs) -> Iterator[Hit]:
    batches = runs.batch_pair
    batch, outputs = batches.sizes[0], batches.small.calls[0].outputs
    rows = {spec.shape[:1] for spec in outputs}
    if len(rows) != 1 or rows <= {(), (batch,)}:
        return
    for number in sorted(runs.batch_flows[0].reaching_output):
        op = batches.small.ops[number]
        view = view_of(op)
        if not isinstance(view, Cat) or rows != {op.outputs[0].shape[:1]}:
            continue
        parts = [tensor.shape[:1] for tensor in view.tensors if tensor.shape]
        along_batch = view.dim % len(op.outputs[0].shape) == 0 and 0 in batches.output_axes(number)
        if along_batch and len(parts) > 1 and set(parts) == {(batch,)}:
            call = batches.small.calls[op.call]
            yield Hit(
                path=call.path, call=call.call, at="called",
                message="{at} joins {count} tensors along the batch: the model returns {count} "
                "rows for each example",
                values={"count": len(parts)},
                fix=Edit(text="dim=1, and as many more input features in the layer behind"),
            )  # fmt: skip
