"""CN204–CN207: views that do not keep examples and axes together."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ...choices import Severity
from ...errors import ShapeError
from ...inputs import format_shape
from ...operators.registry import Trait, traits_of, view_of
from ...operators.views import Reshape, Unsqueeze
from ...trace.records import Failure, Trace
from ..axes import keeps_together
from ..edits.calls import all_of, at_call, flattened
from ..edits.factories import for_batches
from ..edits.layers import settings
from ..edits.views import permuted
from ..flow import Flow
from ..registry import Edit, Hit, Page, rule
from ..regroupings import Regrouped, regroupings
from ..runs import BATCHES, NotRun, Runs

_SCRAMBLED = Page(
    what="A view cuts across axes: a permutation was meant.",
    why="`view` and `reshape` keep the order of the elements in memory. To 3136 positions of 96 "
    "features, `view(96, 56, 56)` gives maps whose pixels are features and positions in turn. The "
    "sizes fit, so nothing fails, and the network learns badly.",
    fires="""\
from torch import nn

example_input = (2, 3, 28, 28)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 24, 4, 4)
        self.mix = nn.Linear(24, 24)
        self.conv = nn.Conv2d(24, 8, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = self.mix(x)
        return self.conv(x.reshape(-1, 24, 7, 7))
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 28, 28)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 24, 4, 4)
        self.mix = nn.Linear(24, 24)
        self.conv = nn.Conv2d(24, 8, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = self.mix(x)
        return self.conv(x.transpose(1, 2).reshape(-1, 24, 7, 7))
""",
    decided="Of a view that merges and splits axes, the number of elements behind each boundary "
    "between axes, old and new, divides the next. The rule fires where it does not, or where the "
    "sizes are the same in another order. Views of views are compared from the first to the last, "
    "at the sizes of the input and on batches of 11 and 13. Equal sizes hide a mistake.",
    wrong="Code that shifts the rows of a matrix by padding and viewing it, as relative attention "
    "does: it is left out if the view is of something padded.",
)


@rule("CN205", "scrambling-reshape", "error", _SCRAMBLED)
def scrambling_reshape(runs: Runs) -> Iterator[Hit]:
    for view in regroupings(runs):
        if view.is_cut and not view.cuts_batch:
            yield _hit(view, "{old} as {new} cuts across axes: permute them first",
                       fix=_permuted(view, "a permutation before the view"))  # fmt: skip
        elif view.is_swapped:
            yield _hit(view, "{old} as {new} transposes nothing: permute the axes", "warning",
                       _permuted(view, "a permutation instead of the view"))  # fmt: skip


def _permuted(view: Regrouped, text: str) -> Edit:
    return Edit(text=text, plan=at_call(view.path, view.call, permuted(view.old, view.new)))


def _hit(
    view: Regrouped, message: str, severity: Severity | None = None, fix: Edit | None = None
) -> Hit:
    return Hit(
        path=view.path, call=view.call, at="called", message=message, severity=severity,
        values={"old": format_shape(view.old), "new": format_shape(view.new)}, fix=fix,
    )  # fmt: skip


_MIXED = Page(
    what="A view puts elements of several examples of the batch into one row.",
    why="With `view(-1, 400)` on 25 images of 256 features there are 16 rows, each with parts of "
    "two images. The result has a label for no image.",
    fires="""\
from torch import nn

example_input = (25, 1, 16, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, 4)
        self.head = nn.Linear(400, 10)

    def forward(self, x):
        return self.head(self.conv(x).relu().view(-1, 400))
""",
    quiet="""\
from torch import nn

example_input = (25, 1, 16, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, 4)
        self.head = nn.Linear(256, 10)

    def forward(self, x):
        return self.head(self.conv(x).relu().flatten(1))
""",
    decided="As CN205; here the boundary that is cut is that of the batch, which is known from "
    "batches of 11 and of 13. If these fail at the view, its sizes on the batch of the inputs "
    "decide. A view that splits the features of an example into several rows is a warning, if the "
    "output of the model has as many rows more than there are examples.",
    wrong="Several rows for each example can be meant, as those of tokens are.",
)


@rule("CN206", "reshape-mixes-batch", "error", _MIXED)
def reshape_mixes_batch(runs: Runs) -> Iterator[Hit]:
    message = "{at}: {old} becomes {new}: rows of several examples"
    failed = _failed_view(runs)
    if failed is not None:
        if failed.cuts_batch:
            yield _hit(failed, message, fix=_keeping_the_batch(failed, runs.flow))
        return
    views = list(regroupings(runs))
    for view in views:
        if view.cuts_batch:
            yield _hit(view, message, fix=_keeping_the_batch(view, runs.flow))
    if not any(view.cuts_batch for view in views) and _has_more_rows(runs):
        for view in views:
            if view.splits_rows:
                yield _hit(
                    view, "{at}: {old} becomes {new}: several rows an example, up to the output",
                    "warning",
                )  # fmt: skip


def _keeping_the_batch(view: Regrouped, flow: Flow) -> Edit | None:
    """`flatten(1)`, and a linear layer behind it that takes all features of an example."""
    batch = {item.tensor.shape[:1] for item in flow.trace.inputs}
    if batch != {view.old[:1]}:
        return None
    number: int | None = next(
        (n for n in range(len(flow.ops)) if flow.place(n) == (view.path, view.call)), None
    )
    while number is not None and Trait.PROJECTION not in traits_of(flow.ops[number].name):
        number = flow.only_reader(number)
    features = prod(view.old[1:])
    if number is None:
        return Edit(text="flatten(1), which keeps the batch")
    plan = all_of(
        at_call(view.path, view.call, flattened),
        settings(flow.place(number)[0], {"in_features": features}, everywhere=True),
    )
    return Edit(text=f"flatten(1), which keeps the batch, and in_features={features}", plan=plan)


def _failed_view(runs: Runs) -> Regrouped | None:
    """The view at which other batches fail, as it is on the batch of the user."""
    failure = batch_failure(runs)
    if failure is None or not failure.calls:
        return None
    failed = failure.calls[-1].path, failure.calls[-1].call
    for number, op in enumerate(runs.flow.ops):
        if runs.flow.place(number) == failed and isinstance(view_of(op), Reshape):
            old, new = op.inputs[0].shape, op.outputs[0].shape
            cuts_batch = bool(old) and 0 not in old and not keeps_together(prod(old[1:]), new)
            return Regrouped(*failed, old, new, cuts_batch=cuts_batch)
    return None


def _has_more_rows(runs: Runs) -> bool:
    """Whether the first output has several rows for each example, and no axis for the examples."""
    batches = runs.batch_pair
    small, large = batches.small.calls[0].outputs, batches.large.calls[0].outputs
    inputs = [item.tensor for item in batches.small.inputs]
    are_vectors = all(len(x.shape) == 2 and x.dtype.startswith("float") for x in inputs)
    if not small or not large or not (batches.is_certain or are_vectors):
        return False
    batch = batches.sizes[0]
    return batches.axes(small[0], large[0])[:1] == (0,) and batch not in small[0].shape


_FIXED = Page(
    what="The model runs on a batch of the size of its inputs, and not on any other.",
    why="A batch size that is written into a view or a hidden state fails at the last batch of an "
    "epoch, which is smaller, and at inference on one image.",
    fires="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 4)
        self.head = nn.Linear(256, 10)

    def forward(self, x):
        return self.head(self.conv(x).view(2, -1))
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 4)
        self.head = nn.Linear(256, 10)

    def forward(self, x):
        return self.head(self.conv(x).view(x.size(0), -1))
""",
    decided="The model, which has one input of three dimensions or more, runs on its input, and "
    "its shapes do not fit on batches of 11 and of 13.",
    wrong="A model that takes images in pairs, or a number of them that is part of the design.",
)


@rule("CN204", "batch-size-fixed", "warning", _FIXED)
def batch_size_fixed(runs: Runs) -> Iterator[Hit]:
    inputs = runs.eval.inputs
    failure = batch_failure(runs)
    if failure is None or len(inputs) != 1 or len(inputs[0].tensor.shape) < 3:
        return
    view = _failed_view(runs)
    if not failure.calls or is_unbatched(runs.eval) or (view is not None and view.cuts_batch):
        return
    call = failure.calls[-1]
    yield Hit(
        path=call.path, call=call.call, at="called",
        message="it runs on a batch of {batch}, and neither of 11 nor of 13",
        values={"batch": inputs[0].tensor.shape[0]},
        fix=Edit(
            text="x.size(0) for the batch size",
            plan=for_batches(runs.loaded, BATCHES, runs.batch_axis or 0),
        ),
    )  # fmt: skip


def is_unbatched(trace: Trace) -> bool:
    """Whether the first layer takes the input as one example, which has no batch axis."""
    inputs = {item.tensor.value for item in trace.inputs}
    return any(
        isinstance(view, Unsqueeze) and view.dim == 0 and view.x.value in inputs
        for view in map(view_of, trace.ops[:10])
    )


def batch_failure(runs: Runs) -> Failure | None:
    """How the run on a batch of 11 failed, if its shapes did not fit, nor those of 13."""
    try:
        errors = runs.failure("batch of 11"), runs.failure("batch of 13")
    except NotRun:
        return None
    if not all(isinstance(error, ShapeError) for error in errors):
        return None
    return None if errors[0] is None else errors[0].failure
