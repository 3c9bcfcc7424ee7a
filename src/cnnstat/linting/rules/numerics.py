"""CN311 and CN601–CN604: numbers that overflow, vanish, or are computed as others are meant."""

from __future__ import annotations

from collections.abc import Iterator

from ...operators.registry import Trait, cost_of, traits_of, view_of
from ...operators.sequences import Softmax
from ..edits.calls import at_call, log_softmax, plus_constant
from ..flow import Flow
from ..registry import Edit, Hit, Page, rule
from ..runs import Runs

_HEAD = """\
import torch
from torch import nn

example_input = (4, 20)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(20, 10)

    def forward(self, x):
"""

_LOG = Page(
    what="The logarithm of a softmax is computed in two steps.",
    why="A small probability is rounded to 0 in the softmax, and its logarithm is -inf: the loss "
    "becomes inf or nan. `log_softmax` computes both at once and is exact.",
    fires=f"""{_HEAD}        return self.head(x).softmax(1).log()
""",
    quiet=f"""{_HEAD}        return self.head(x).log_softmax(1)
""",
    decided="In eval mode the operand of a logarithm is a softmax, behind views, selections, and "
    "a sum with or a limit by a constant.",
    wrong="Probabilities that are needed as well.",
)
_PASSES = {"aten.add", "aten.clamp", "aten.clamp_min", "aten.add_", "aten.clamp_"}


@rule("CN601", "log-of-softmax", "warning", _LOG)
def log_of_softmax(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow

    def passes(number: int) -> bool:
        op = flow.ops[number]
        selects = (Trait.LAYOUT | Trait.LOOKUP) & traits_of(op.name)
        return bool(selects) or (op.name in _PASSES and len(op.inputs) == 1)

    for number, op in enumerate(flow.ops):
        if op.name not in ("aten.log", "aten.log_"):
            continue
        source = flow.before(number, op.inputs[0], passes)
        view = None if source is None else view_of(flow.ops[source])
        if source is not None and isinstance(view, Softmax) and not view.is_log:
            path, call = flow.place(number)
            yield Hit(
                path=path, call=call, at="called",
                message="{at} of the softmax at {before}: small probabilities become -inf",
                values={"before": flow.place(source)[0]},
                fix=Edit(text="log_softmax", plan=at_call(path, call, log_softmax)),
            )  # fmt: skip


_BY_HAND = Page(
    what="A softmax is written as `exp(x) / exp(x).sum()`.",
    why="`exp` overflows from 89 on in float32, and from 11 on in float16: the result is inf / inf,"
    " nan. `softmax` subtracts the largest value first.",
    fires=f"""{_HEAD}        x = self.head(x).exp()
        return x / x.sum(1, keepdim=True)
""",
    quiet=f"""{_HEAD}        x = self.head(x)
        x = (x - x.amax(1, keepdim=True)).exp()
        return x / x.sum(1, keepdim=True)
""",
    decided="In eval mode a quotient of an exponential and of its sum, where the exponent is not a "
    "difference from a maximum.",
    wrong="Exponents that are known to be small.",
)


@rule("CN602", "hand-made-softmax", "warning", _BY_HAND)
def softmax_by_hand(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow
    for number, op in enumerate(flow.ops):
        if op.name not in ("aten.div", "aten.div_") or len(op.inputs) != 2:
            continue
        above, below = (_behind_views(flow, number, operand) for operand in (0, 1))
        if above is None or below is None or flow.ops[below].name != "aten.sum":
            continue
        is_exp = flow.ops[above].name in ("aten.exp", "aten.exp_")
        if is_exp and _behind_views(flow, below, 0) == above and not _is_limited(flow, above):
            path, call = flow.place(number)
            yield Hit(
                path=path, call=call, at="called",
                message="{at}: exp(x) / sum(exp(x)) overflows where softmax does not",
                fix=Edit(text="x.softmax(dim)"),
            )  # fmt: skip


def _behind_views(flow: Flow, number: int, operand: int) -> int | None:
    """The operator that computed an operand, behind all views."""
    return flow.before(
        number, flow.ops[number].inputs[operand],
        lambda n: Trait.LAYOUT in traits_of(flow.ops[n].name),
    )  # fmt: skip


def _is_limited(flow: Flow, exponential: int) -> bool:
    """Whether the exponents have been limited: by a maximum that is subtracted, a clamp, …"""
    source = _behind_views(flow, exponential, 0)
    if source is None:
        return False
    op = flow.ops[source]
    if op.name in ("aten.neg", "aten.clamp", "aten.clamp_max", "aten.tanh", "aten.sigmoid"):
        return True
    if op.name not in ("aten.sub", "aten.sub_"):
        return False
    others = (_behind_views(flow, source, n) for n in range(1, len(op.inputs)))
    return any(n is not None and flow.ops[n].name in _MAXIMA for n in others)


_MAXIMA = ("aten.amax", "aten.max", "aten.logsumexp")

_DOUBLE = Page(
    what="Products run in float64 although the inputs are float32.",
    why="One float64 tensor, such as a table from NumPy, turns all that it meets into float64: on "
    "a GPU that is up to 64 times slower, and twice the memory.",
    fires="""\
import torch
from torch import nn

example_input = (4, 20)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.ones(20, 10, dtype=torch.float64))

    def forward(self, x):
        return (x + self.table[:, 0]) @ self.table
""",
    quiet="""\
import torch
from torch import nn

example_input = (4, 20)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.ones(20, 10))

    def forward(self, x):
        return (x + self.table[:, 0]) @ self.table
""",
    decided="The types of the results of operators with MACs in eval mode. No input is float64.",
    wrong="A step that needs the precision.",
)


@rule("CN603", "float64", "warning", _DOUBLE)
def in_double(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow
    if any(item.tensor.dtype == "float64" for item in flow.trace.inputs):
        return
    for number, op in enumerate(flow.ops):
        if not op.outputs or op.outputs[0].dtype != "float64" or number not in flow.from_inputs:
            continue
        cost = cost_of(op)
        if cost is not None and cost.macs:
            path, call = flow.place(number)
            yield Hit(
                path=path, call=call, macs=cost.macs,
                message="{at} runs in float64, {macs} MACs, although the inputs are not",
                fix=Edit(text=".float() on the table or buffer that is float64"),
            )  # fmt: skip


_ROOT = Page(
    what="A square root is taken of something that can be 0.",
    why="Its derivative there is infinite: the gradient becomes inf or nan, at one pixel of a "
    "batch. A small constant under the root keeps it finite.",
    fires=f"""{_HEAD}        return (self.head(x) ** 2).sum(1).sqrt()
""",
    quiet=f"""{_HEAD}        return ((self.head(x) ** 2).sum(1) + 1e-8).sqrt()
""",
    decided="In train mode the operand of a square root depends on the input, and is neither a sum "
    "with a constant nor limited from below.",
    wrong="An operand that is never 0.",
)
_SAFE = ("aten.add", "aten.add_", "aten.clamp", "aten.clamp_min", "aten.exp", "aten.sigmoid",
         "aten.softplus")  # fmt: skip


@rule("CN604", "sqrt-at-zero", "hint", _ROOT, optional=True)
def root_at_zero(runs: Runs) -> Iterator[Hit]:
    flow = runs.train_flow
    for number in sorted(flow.from_inputs):
        op = flow.ops[number]
        if op.name not in ("aten.sqrt", "aten.sqrt_"):
            continue
        source = _behind_views(flow, number, 0)
        if source is None or flow.ops[source].name not in _SAFE:
            path, call = flow.place(number)
            yield Hit(
                path=path, call=call, at="called",
                message="{at}: the gradient is infinite where the operand is 0",
                fix=Edit(
                    text="a small constant under the root", plan=at_call(path, call, plus_constant)
                ),
            )  # fmt: skip
