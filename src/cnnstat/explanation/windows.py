"""Output sizes of convolution and pooling layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..operators.convolution import Convolution
from ..operators.describe import dims_of
from ..operators.parts import Pad
from ..operators.pooling import Pool
from ..operators.shape_rules import (
    Window,
    size_rounded_up,
    starts_in_padding,
    transposed_size,
    window_size,
)
from ..results import Shape
from .expression import AXES, Expression, number, symbol
from .results import Step
from .subject import Operation, Subject, derived


@dataclass(frozen=True, slots=True)
class Sliding:
    """An operator that slides a window over the last `dims` dimensions of its input."""

    op: Operation
    view: Convolution | Pool
    window: Window
    dims: int

    @property
    def sides(self) -> Shape:
        return self.view.x.shape[-self.dims :]

    @property
    def transposed(self) -> bool:
        return isinstance(self.view, Convolution) and self.view.transposed

    @property
    def ceil_mode(self) -> bool:
        return isinstance(self.view, Pool) and self.view.ceil_mode


def sliding_in(subject: Subject) -> Sliding | None:
    """The operator of a convolution or pooling layer."""
    if subject.layer.role not in ("conv", "pool"):
        return None
    for op in subject.operations:
        view = op.view
        if isinstance(view, Convolution | Pool):
            window = view.window.last_axes(dims_of(subject.call))
            return Sliding(op, view, window, len(window.kernel))
    return None


def sizes_after(sliding: Sliding) -> list[tuple[Expression, str | None]]:
    """The size of the output along each spatial axis, with a remark where there is one."""
    return [_size(sliding, axis) for axis in range(sliding.dims)]


def _size(sliding: Sliding, axis: int) -> tuple[Expression, str | None]:
    window, view = sliding.window, sliding.view
    side, stride = sliding.sides[axis], window.stride[axis]
    padding, dilation = window.padding[axis], window.dilation[axis]
    n, k = symbol("n", side), symbol("k", window.kernel[axis])
    s, p = symbol("s", stride), symbol("p", padding)
    d = symbol("d", dilation) if dilation > 1 else 1
    behind = (view.padding_behind or view.padding)[-sliding.dims :][axis]
    q = None if behind == padding else symbol("q", number(padding) + behind)
    if isinstance(view, Convolution) and view.transposed:
        a = symbol("a", view.output_padding[-sliding.dims :][axis])
        return transposed_size(n, k, s, p, d, a, q), None
    if not sliding.ceil_mode:
        return window_size(n, k, s, p, d, both=q), None
    size = size_rounded_up(n, k, s, p, d, q)
    if starts_in_padding(side, int(size.value), stride, padding):
        return size - 1, "the last window would begin in the padding: there is none"
    return size, None


def padded(subject: Subject, sliding: Sliding) -> list[Step]:
    """Padding by an operator of its own before the window, where it is uneven."""
    steps = []
    for op in subject.operations:
        if op is sliding.op:
            break
        if isinstance(op.view, Pad):
            sides = pad_sizes(op.view, sliding.dims)
            steps += merged(AXES[sliding.dims], [(side, None) for side in sides], None, "padded ")
    return steps


def pad_sizes(pad: Pad, dims: int) -> list[Expression]:
    """The padded sizes of the last axes."""
    shape = pad.x.shape
    axes = range(len(shape) - dims, len(shape))
    return [symbol("n", shape[axis]) + symbol("q", pad.added(axis)) for axis in axes]


def merged(
    names: Sequence[str],
    sizes: Sequence[tuple[Expression, str | None]],
    first_axis: int | None,
    prefix: str = "",
) -> list[Step]:
    """A line for each size; axes with the same numbers share one."""
    groups: dict[tuple[str, str | None], list[int]] = {}
    for axis, (size, remark) in enumerate(sizes):
        groups.setdefault((size.numbers, remark), []).append(axis)
    return [
        derived(
            "output",
            prefix + ", ".join(names[axis] for axis in members),
            sizes[members[0]][0],
            remark,
            () if first_axis is None else [first_axis + axis for axis in members],
        )
        for (_, remark), members in groups.items()
    ]
