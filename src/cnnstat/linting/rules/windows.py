"""CN402–CN404: the positions of a map that kernels and pools read."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ...inputs import format_shape
from ...operators.convolution import Convolution
from ...operators.describe import config_of
from ...operators.pooling import AdaptivePool, Pool
from ...operators.reductions import Reduction
from ...operators.registry import Trait, traits_of, view_of
from ...results import Shape
from ..flow import Flow
from ..registry import Hit, Page, rule
from ..runs import Runs
from ..taps import positions_read

_SKIPPED = Page(
    what="Positions of a map are read by none of the layers behind it.",
    why="A 1×1 kernel with stride 2 reads every second row and column: three quarters of what was "
    "computed before are thrown away. In a residual block both branches may do so.",
    fires="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 1, 2))
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, padding=1)
        )
""",
    decided="By arithmetic: the positions that windows read along each axis, of all layers that "
    "read the map together. Each of them must be a convolution or a pool.",
    wrong="The shortcuts of the first ResNets, which are published so.",
)


@rule("CN402", "pixels-skipped", "hint", _SKIPPED)
def pixels_skipped(runs: Runs) -> Iterator[Hit]:
    for number, read, sizes in _read_by_windows(runs.flow):
        if any(len(axis) <= max(axis, default=0) - min(axis, default=0) for axis in read):
            yield _unread(runs.flow, number, read, sizes, "{share} of the positions of {at} are "
                          "read by no layer: {readers}")  # fmt: skip


_BORDER = Page(
    what="The last rows or columns of a map are read by no layer behind it.",
    why="A stride that does not fit the size leaves a rest: the kernel stops before the border, so "
    "that what lies there is not seen. Padding, or another size, includes it.",
    fires="""\
from torch import nn

example_input = (2, 3, 16, 16)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2))
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 16, 16)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, padding=1)
        )
""",
    decided="As CN402; only positions at the end of an axis are not read.",
    wrong="Inputs whose sizes vary: one row is seldom missed.",
)


@rule("CN403", "border-dropped", "hint", _BORDER, optional=True)
def border_dropped(runs: Runs) -> Iterator[Hit]:
    for number, read, sizes in _read_by_windows(runs.flow):
        uninterrupted = all(axis == set(range(len(axis))) for axis in read)
        if uninterrupted and any(len(axis) < size for axis, size in zip(read, sizes, strict=True)):
            yield _unread(runs.flow, number, read, sizes, "the last {share} of the positions of "
                          "{at} are read by no layer: {readers}")  # fmt: skip


def _read_by_windows(flow: Flow) -> Iterator[tuple[int, list[set[int]], Shape]]:
    """Each map that windows alone read: the positions along each axis, and all sizes."""
    for number in sorted(flow.from_inputs - flow.returned):
        readers = flow.readers(number)
        out = flow.ops[number].outputs[0] if flow.ops[number].outputs else None
        is_view = Trait.LAYOUT in traits_of(flow.ops[number].name)  # of what others may read
        if out is None or not readers or is_view:
            continue
        read: list[set[int]] = []
        for reader in readers:
            op = flow.ops[reader]
            view = view_of(op) if Trait.WINDOW in traits_of(op.name) else None
            if not isinstance(view, Pool | Convolution) or view.x != out:
                break
            if isinstance(view, Convolution) and view.transposed:
                break
            dims = len(view.window.kernel)
            here = positions_read(view.window, out.shape[-dims:], op.outputs[0].shape[-dims:])
            read = [a | b for a, b in zip(read, here, strict=True)] if read else here
        else:
            yield number, read, out.shape[-len(read) :]


def _unread(flow: Flow, number: int, read: list[set[int]], sizes: Shape, message: str) -> Hit:
    path, call = flow.place(number)
    readers = [flow.trace.calls[flow.ops[r].call] for r in flow.readers(number)]
    kinds = [config_of(call, [flow.ops[r]]) for call, r in
             zip(readers, flow.readers(number), strict=True)]  # fmt: skip
    named = ", ".join(dict.fromkeys(f"{c.path} ({k})" for c, k in zip(readers, kinds, strict=True)))
    share = 1 - prod(map(len, read)) / prod(sizes)
    return Hit(
        path=path, call=call, at="called", message=message,
        values={"share": f"{share:.0%}", "readers": named},
    )  # fmt: skip


_NOTHING = Page(
    what="A pool runs on a map of one position.",
    why="There is nothing to pool: it returns its input, or copies of it. Either the pool is "
    "superfluous, or the map is smaller than it was meant to be.",
    fires="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 16, 3), nn.AdaptiveAvgPool2d(1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
""",
    decided="The sizes of the axes that are pooled in eval mode, at the sizes of the input.",
    wrong="An input smaller than those that the model is made for.",
)


@rule("CN404", "pool-of-1x1", "hint", _NOTHING)
def pool_of_one(runs: Runs) -> Iterator[Hit]:
    flow = runs.flow
    for number in sorted(flow.from_inputs):
        op = flow.ops[number]
        view = view_of(op)
        if isinstance(view, Pool):
            sizes = view.x.shape[-len(view.kernel) :]
        elif isinstance(view, AdaptivePool):
            sizes = view.sides
        elif isinstance(view, Reduction) and len(view.x.shape) > 3:
            axes = view.axes(len(view.x.shape))
            sizes = tuple(view.x.shape[axis] for axis in axes) if min(axes) > 1 else ()
        else:
            continue
        if len(sizes) > 1 and prod(sizes) == 1:
            path, call = flow.place(number)
            yield Hit(
                path=path, call=call, message="{at} pools a map of 1 position, {shape}",
                values={"shape": format_shape(view.x.shape)},
            )  # fmt: skip
