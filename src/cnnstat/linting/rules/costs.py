"""CN701–CN704: work that changes nothing, or that another order saves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import prod

from ...operators.convolution import Convolution
from ...operators.describe import identity_of
from ...operators.pooling import AdaptivePool, Pool
from ...operators.reductions import Reduction
from ...operators.registry import Trait, cost_of, is_in_place, traits_of, view_of
from ...operators.resizing import Interpolation
from ...trace.records import Op, TensorSpec
from ..flow import Flow
from ..registry import Edit, Hit, Page, rule
from ..runs import Runs

_LEAST = Fraction(1, 100)  # of the MACs of the model, below which it is not worth a line


@dataclass(frozen=True)
class _Saving:
    """MACs that a change saves, at an operator."""

    number: int
    macs: int


def _worthwhile(flow: Flow, savings: list[_Saving], message: str, fix: str) -> Iterator[Hit]:
    """Hits, if together they save enough."""
    total = sum(macs_of(op) for op in flow.ops)
    saved = sum(saving.macs for saving in savings)
    if saved < _LEAST * total:
        return
    for saving in savings:
        path, call = flow.place(saving.number)
        yield Hit(
            path=path, call=call, at="called", macs=saving.macs, message=message,
            values={"share": f"{saved / total:.1%}"}, fix=Edit(text=fix) if fix else None,
        )  # fmt: skip


def macs_of(op: Op) -> int:
    cost = cost_of(op)
    return 0 if cost is None else cost.macs


_UNREAD = Page(
    what="Something that costs at least 1 % of the MACs reaches no output of the model.",
    why="It is computed and thrown away, and its parameters get no gradient. Often a variable is "
    "overwritten, or another one is returned.",
    fires="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3)
        self.second = nn.Conv2d(16, 16, 3)

    def forward(self, x):
        x = self.first(x).relu()
        y = self.second(x)
        return x.mean((2, 3))
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3)
        self.second = nn.Conv2d(16, 16, 3)

    def forward(self, x):
        x = self.first(x).relu()
        y = self.second(x)
        return y.mean((2, 3))
""",
    decided="The operators are followed back from what the model returns in eval mode. What is "
    "written in place into a tensor that is returned reaches it.",
    wrong="A model that keeps results in an attribute, or passes them to a hook.",
)


@rule("CN701", "computed-for-nothing", "warning", _UNREAD)
def computed_for_nothing(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow
    if not flow.returned:
        return
    unread = set(range(len(flow.ops))) - flow.reaching_output
    savings = [_Saving(n, macs) for n in sorted(unread) if (macs := macs_of(flow.ops[n]))]
    yield from _worthwhile(
        flow, savings, "{at} reaches no output: {macs} MACs, {share} of all, for nothing", ""
    )


_TWICE = Page(
    what="The same operator runs twice on the same values, for at least 1 % of the MACs.",
    why="The result is the same: computing it once and using it twice saves the second.",
    fires="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3)
        self.gate = nn.Conv2d(16, 16, 1)

    def forward(self, x):
        return self.conv(x) * self.gate(self.conv(x)).sigmoid()
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3)
        self.gate = nn.Conv2d(16, 16, 1)

    def forward(self, x):
        x = self.conv(x)
        return x * self.gate(x).sigmoid()
""",
    decided="Values are numbered by the operator that wrote them and its operands, in eval mode. "
    "Operators that draw random numbers or write in place always give a new value.",
    wrong="Code that computes again to save memory.",
)


@rule("CN702", "computed-twice", "hint", _TWICE)
def computed_twice(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow
    first: dict[object, int] = {}
    same_as: dict[int, int] = {}  # the first operator with the same results

    def named(number: int, tensor: TensorSpec) -> object:
        source = flow.source(number, tensor)
        if source is None:
            return tensor.parameter or tensor.value
        source = same_as.get(source, source)
        written = [out.value for out in flow.ops[source].outputs]
        return source, written.index(tensor.value) if tensor.value in written else tensor.value

    savings = []
    for number, op in enumerate(flow.ops):
        if is_in_place(op.name) or Trait.RANDOM in traits_of(op.name) or not op.inputs:
            continue
        key = identity_of(op, partial(named, number))
        same_as[number] = first.setdefault(key, number)
        if same_as[number] != number and macs_of(op):
            savings.append(_Saving(number, macs_of(op)))
    yield from _worthwhile(
        flow, savings, "{at} computes {macs} MACs again that were computed before, {share} of all",
        "compute it once, and use the result twice",
    )  # fmt: skip


_POOL_FIRST = Page(
    what="A 1×1 convolution is followed by an average pool.",
    why="Both are linear, and one combines channels, the other positions: in the other order the "
    "result is the same, and the convolution runs on fewer positions.",
    fires="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 1), nn.AvgPool2d(2), nn.ReLU()
        )
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(16, 32, 1), nn.ReLU()
        )
""",
    decided="The pool, which has no padding, is the only one that reads the convolution, in eval "
    "mode. The saving is at least 1 % of the MACs.",
    wrong="A model whose map before the pool is used elsewhere, such as a class activation map.",
)


@rule("CN703", "pool-first", "hint", _POOL_FIRST)
def pool_first(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow
    savings = []
    for number, op in enumerate(flow.ops):
        reader = flow.only_reader(number) if _is_pointwise(op) else None
        if reader is None or not averages(flow.ops[reader]):
            continue
        before, after = (prod(flow.ops[n].outputs[0].shape[2:]) for n in (number, reader))
        macs = macs_of(op)
        savings.append(_Saving(number, macs - macs * after // before))
    yield from _worthwhile(
        flow, savings, "the average pool behind {at} can run first: the same result, {share} fewer "
        "MACs", "pool, then convolve",
    )  # fmt: skip


def _is_pointwise(op: Op) -> bool:
    """Whether it is a convolution of each position by itself, with a weight of its own."""
    if Trait.WINDOW not in traits_of(op.name):
        return False
    view = view_of(op)
    if not isinstance(view, Convolution) or not view.weight.parameter:
        return False
    plain = prod(view.weight.shape[2:]) == prod(view.stride) == 1 and not sum(view.padding)
    return plain and not view.transposed


def averages(op: Op) -> bool:
    """Whether it takes the mean of positions, each with the same weight."""
    view = view_of(op)
    if isinstance(view, Pool):
        return not view.is_max and not sum(view.padding) and not view.ceil_mode
    if isinstance(view, AdaptivePool):
        return not view.is_max
    if isinstance(view, Reduction) and view.is_mean and len(view.x.shape) > 2:
        return view.axes(len(view.x.shape)) == set(range(2, len(view.x.shape)))
    return False


_RESIZE_LAST = Page(
    what="A map is enlarged and then goes through a 1×1 convolution.",
    why="Interpolation is linear, for each channel by itself: the convolution before it gives the "
    "same result on fewer positions.",
    fires="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Upsample(None, 2), nn.Conv2d(16, 4, 1))
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 4, 1), nn.Upsample(None, 2))
""",
    decided="The convolution is the only one that reads the interpolation, in eval mode, and the "
    "map becomes larger. The saving is at least 1 % of the MACs.",
    wrong="A convolution with padding, or whose rounding must stay the same.",
)


@rule("CN704", "resize-last", "hint", _RESIZE_LAST)
def resize_last(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow
    savings = []
    for number, op in enumerate(flow.ops):
        view = view_of(op)
        reader = flow.only_reader(number) if isinstance(view, Interpolation) else None
        if reader is None or not isinstance(view, Interpolation):
            continue
        before, after = prod(view.x.shape[2:]), prod(op.outputs[0].shape[2:])
        if before < after and _is_pointwise(flow.ops[reader]):
            macs = macs_of(flow.ops[reader])
            savings.append(_Saving(reader, macs - macs * before // after))
    yield from _worthwhile(
        flow, savings, "{at} can run before the map is enlarged: the same result, {share} fewer "
        "MACs", "convolve, then enlarge",
    )  # fmt: skip
