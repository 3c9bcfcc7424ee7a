"""CN401 and CN405: kernels of which some weights meet padding only, or that overlap unevenly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...inputs import format_shape
from ...operators.convolution import Convolution
from ...operators.describe import config_of
from ...operators.registry import Trait, traits_of, view_of
from ...operators.shape_rules import Window
from ...results import Shape
from ..edits.layers import settings
from ..flow import Flow
from ..registry import Edit, Hit, Page, rule
from ..runs import Runs
from ..taps import share_on_padding

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
                path=path, call=call, at="arguments",
                message="{at} overlaps unevenly: kernel {kernel}, stride {stride}",
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
