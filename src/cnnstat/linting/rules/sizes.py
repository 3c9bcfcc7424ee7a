"""CN705 and CN706: sizes that cost more than others."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ...inputs import format_shape
from ...operators.convolution import Convolution
from ...operators.linear import Matmul
from ...operators.registry import Trait, cost_of, traits_of, view_of
from ..flow import is_regrouping
from ..registry import Edit, Hit, Page, rule
from ..regroupings import origin
from ..runs import Runs

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
