"""How many positions a window has: convolution and pooling along one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..operators.convolution import Convolution
from ..operators.describe import dims_of, window_of
from ..operators.pooling import Pool
from ..operators.registry import view_of
from ..operators.window import Window
from ..operators.windows import size_rounded_up, starts_in_padding, transposed_size, window_size
from ..results import Shape
from ..trace.records import Op
from .expression import Expression, letter, number
from .letters import AXES
from .results import Step
from .subject import Subject, derived

_PADS = (
    "aten.constant_pad_nd",
    "aten.reflection_pad",
    "aten.replication_pad",
    "aten._pad_circular",
)


@dataclass(frozen=True, slots=True)
class Sliding:
    """An operator that slides a window over the last `dims` dimensions of what it is given."""

    op: Op
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
    """The operator that a convolution or pooling layer is."""
    if subject.layer.role not in ("conv", "pool"):
        return None
    for op in subject.ops:
        window, view = window_of([op], dims_of(subject.call)), view_of(op)
        if window is not None and isinstance(view, Convolution | Pool):
            return Sliding(op, view, window, len(window.kernel))
    return None


def sizes_after(sliding: Sliding) -> list[tuple[Expression, str | None]]:
    """The size of the output along each spatial axis, with a remark where there is one."""
    return [_size(sliding, axis) for axis in range(sliding.dims)]


def _size(sliding: Sliding, axis: int) -> tuple[Expression, str | None]:
    window, view = sliding.window, sliding.view
    side, stride = sliding.sides[axis], window.stride[axis]
    padding, dilation = window.padding[axis], window.dilation[axis]
    n, k = letter("n", side), letter("k", window.kernel[axis])
    s, p = letter("s", stride), letter("p", padding)
    d = letter("d", dilation) if dilation > 1 else 1
    behind = (view.padding_behind or view.padding)[-sliding.dims :][axis]
    q = None if behind == padding else letter("q", number(padding) + behind)
    if isinstance(view, Convolution) and view.transposed:
        a = letter("a", view.output_padding[-sliding.dims :][axis])
        return transposed_size(n, k, s, p, d, a, q), None
    if not sliding.ceil_mode:
        return window_size(n, k, s, p, d, both=q), None
    size = size_rounded_up(n, k, s, p, d, q)
    if starts_in_padding(side, int(size.value), stride, padding):
        return size - 1, "the last window would begin in the padding: there is none"
    return size, None


def padded(subject: Subject, sliding: Sliding) -> list[Step]:
    """What was added around the input before the window slid over it, where it was not even."""
    steps = []
    for op in subject.ops:
        if op is sliding.op:
            break
        if op.name.startswith(_PADS) and len(op.inputs[0].shape) == len(op.outputs[0].shape):
            sides = pad_sizes(op, sliding.dims)
            steps += merged(AXES[sliding.dims], [(side, None) for side in sides], None, "padded ")
    return steps


def pad_sizes(op: Op, dims: int) -> list[Expression]:
    """Padding lists its sizes from the last dimension on: before, after, before, after, …"""
    around, shape = op.args[1], op.inputs[0].shape
    sizes = []
    for dim in range(len(shape) - dims, len(shape)):
        place = 2 * (len(shape) - 1 - dim)
        added = sum(around[place : place + 2]) if place < len(around) else 0
        sizes.append(letter("n", shape[dim]) + letter("q", added))
    return sizes


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
