"""Output shapes of layers that rearrange data: flatten, split, reorder, join, pad."""

from __future__ import annotations

from math import prod

from ..operators.parts import Pad
from ..operators.views import Reordering
from ..results import Shape
from .expression import product, total
from .results import Step
from .subject import Subject, derived, stated
from .windows import pad_sizes

Lines = list[Step]
AS_IN_INPUT = "as in the input"


def flattened(subject: Subject) -> Lines:
    """Sizes of the input, multiplied or split in order."""
    if not subject.call.inputs:
        return []
    axis, lines = 0, []
    for before, after in _groups(subject.call.inputs[0].shape, subject.output):
        axes = range(axis, axis + len(after))
        axis += len(after)
        name = f"dimension {axes[0]}" if len(axes) == 1 else f"dimensions {axes[0]} to {axes[-1]}"
        if before == after:
            lines += [stated("output", f"dimension {a}", size, AS_IN_INPUT, [a])
                      for a, size in zip(axes, after, strict=True)]  # fmt: skip
        elif len(after) == 1:
            lines.append(derived("output", name, product(before), None, axes))
        else:
            remark = f"{' · '.join(map(str, before))} laid out anew"
            lines.append(stated("output", name, after, remark, axes))
    return lines


def _groups(before: Shape, after: Shape) -> list[tuple[Shape, Shape]]:
    """The shortest runs of sizes of both shapes with equal products; [] if there are none."""
    groups: list[tuple[Shape, Shape]] = []
    i = j = 0
    while j < len(after):
        ends = i + 1, j + 1
        while (left := prod(before[i : ends[0]])) != (right := prod(after[j : ends[1]])):
            ends = (ends[0] + 1, ends[1]) if left < right else (ends[0], ends[1] + 1)
            if ends[0] > len(before) or ends[1] > len(after):
                return []
        groups.append((before[i : ends[0]], after[j : ends[1]]))
        i, j = ends
    if i < len(before) and groups:  # sizes of 1 at the end
        groups[-1] = (groups[-1][0] + before[i:], groups[-1][1])
    return groups


def reordered(subject: Subject) -> Lines:
    view = next((view for view in subject.views if isinstance(view, Reordering)), None)
    if view is None:
        return []
    order = view.order(len(subject.output))
    listed = ", ".join(map(str, order))
    remark = f"the input's dimensions in the order {listed}"
    return [stated("output", "all", subject.output, remark, range(len(order)))]


def cat(subject: Subject) -> Lines:
    shapes = [tensor.shape for tensor in subject.call.inputs]
    out = subject.output
    if len(shapes) < 2 or any(len(shape) != len(out) for shape in shapes):
        return []
    joined = [a for a in range(len(out)) if any(shape[a] != out[a] for shape in shapes)]
    if len(joined) != 1:
        return []
    axis = joined[0]
    others = tuple(a for a in range(len(out)) if a != axis)
    sizes = tuple(out[a] for a in others)
    return [
        derived("output", _dimension(out, axis), total(s[axis] for s in shapes), None, [axis]),
        stated("output", "all others", sizes, "as in every input", others),
    ]


def _dimension(shape: Shape, axis: int) -> str:
    return "channels" if axis == 1 and len(shape) > 2 else f"dimension {axis}"


def stack(subject: Subject) -> Lines:
    shapes, out = [tensor.shape for tensor in subject.call.inputs], subject.output
    for axis in range(len(out)):
        if out[axis] == len(shapes) and (*out[:axis], *out[axis + 1 :]) == shapes[0]:
            others = tuple(a for a in range(len(out)) if a != axis)
            return [
                stated("output", f"dimension {axis}", len(shapes), "the tensors stacked", [axis]),
                stated("output", "all others", shapes[0], "as in every input", others),
            ]
    return []


def pad(subject: Subject) -> Lines:
    view = next((view for view in subject.views if isinstance(view, Pad)), None)
    if view is None:
        return []
    rank = len(subject.output)
    sizes = pad_sizes(view, rank)
    changed = [axis for axis in range(rank) if view.added(axis)]
    lines = [
        stated("output", f"dimension {a}", subject.output[a], AS_IN_INPUT, [a])
        for a in range(rank)
        if a not in changed
    ]
    names = [f"dimension {axis}" for axis in changed]
    for axis, name in zip(changed, names, strict=True):
        lines.append(derived("output", name, sizes[axis], None, [axis]))
    return lines
