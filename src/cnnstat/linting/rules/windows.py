"""CN401–CN405: kernels and what they read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

from ...inputs import format_shape
from ...operators.convolution import Convolution
from ...operators.describe import config_of
from ...operators.pooling import AdaptivePool, Pool
from ...operators.reductions import Reduction
from ...operators.registry import Trait, traits_of, view_of
from ...operators.shape_rules import Window
from ...results import Shape
from ..edits.layers import settings
from ..flow import Flow
from ..registry import Edit, Hit, Page, rule
from ..runs import Runs
from ..taps import positions_read, share_on_padding

_PADDING = Page(
    what="Some weights of a convolution only ever meet padding.",
    why="They are multiplied by zeros at every position of the output: the kernel is in effect "
    "smaller, and the weights are stored and updated for nothing. A dilation of 36 on a map of 33 "
    "leaves the middle of a 3×3 kernel.",
    fires="""\
from torch import nn

example_input = (2, 3, 33, 33)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 16, 3, padding=36, dilation=36), nn.ReLU())
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 33, 33)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 16, 3, padding=12, dilation=12), nn.ReLU())
""",
    decided="By arithmetic, for each tap of the kernel at the sizes of the input. With 5 % of the "
    "parameters of the model it is a warning.",
    wrong="An input smaller than those that the model is trained on.",
)


@rule("CN401", "kernel-on-padding", "hint", _PADDING)
def kernel_on_padding(runs: Runs) -> Iterator[Hit]:
    total = sum(p.numel for p in runs.eval.parameters if not p.buffer)
    hits = list(_on_padding(runs.flow))
    on_padding = sum({hit.path: hit.params for hit in hits}.values())
    for hit in hits:
        yield hit if on_padding < 0.05 * total else replace(hit, severity="warning")


def _on_padding(flow: Flow) -> Iterator[Hit]:
    for number, op in enumerate(flow.ops):
        view = view_of(op) if Trait.WINDOW in traits_of(op.name) else None
        if not isinstance(view, Convolution) or view.transposed or not view.weight.parameter:
            continue
        sizes = view.x.shape[2:]
        share = share_on_padding(view.window, sizes, op.outputs[0].shape[2:])
        if not share:
            continue
        path, call = flow.place(number)
        yield Hit(
            path=path, call=call, params=int(view.weight.numel * share),
            message="{share} of the weights of {at} only meet padding: {kernel} on {sizes}, "
            "{params} parameters",
            values={
                "share": f"{float(share):.0%}", "sizes": format_shape(sizes),
                "kernel": config_of(flow.trace.calls[op.call], [op]),
            },
        )  # fmt: skip


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
        if out is None or not readers:
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


_CHECKERBOARD = Page(
    what="The kernel of a transposed convolution is no multiple of its stride.",
    why="Some positions of the output are then the sum of more taps than others: the pattern of a "
    "checkerboard (Odena et al., Distill 2016).",
    fires="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.ConvTranspose2d(16, 3, 3, 2))
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.ConvTranspose2d(16, 3, 4, 2))
""",
    decided="The settings of the layer that runs.",
    wrong="Networks that learn to even it out.",
)


@rule("CN405", "checkerboard", "hint", _CHECKERBOARD, optional=True)
def checkerboard(runs: Runs) -> Iterator[Hit]:
    for number, op in enumerate(runs.flow.ops):
        view = view_of(op) if Trait.WINDOW in traits_of(op.name) else None
        if not isinstance(view, Convolution) or not view.transposed:
            continue
        window = view.window
        if any(k % s for k, s in zip(window.kernel, window.stride, strict=True)):
            path, call = runs.flow.place(number)
            yield Hit(
                path=path, call=call, message="{at} overlaps unevenly: kernel {kernel}, stride "
                "{stride}",
                values={
                    "kernel": format_shape(window.kernel), "stride": format_shape(window.stride)
                },
                fix=_even_kernel(path, window, view.output_padding),
            )  # fmt: skip


def _even_kernel(path: str, window: Window, output_padding: Shape) -> Edit | None:
    """The next kernel that is a multiple of the stride, with an output of the same size."""
    kernel = tuple(k + -k % s for k, s in zip(window.kernel, window.stride, strict=True))
    more = [new - old for new, old in zip(kernel, window.kernel, strict=True)]
    # The output has (n - 1)·stride - 2·padding + kernel + output_padding positions.
    spare = tuple(out - extra for out, extra in zip(output_padding, more, strict=True))
    if max(window.dilation) > 1 or min(spare) < 0:
        return None
    values = {"kernel_size": _short(kernel), "output_padding": _short(spare)}
    text = ", ".join(f"{name}={value}" for name, value in values.items())
    return Edit(text=text, plan=settings(path, values))


def _short(sizes: Shape) -> int | Shape:
    return sizes[0] if len(set(sizes)) == 1 else sizes
