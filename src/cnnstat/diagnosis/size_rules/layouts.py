"""Operators that rearrange their operands: views, permutations, pieces and joins."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ...trace.records import Op
from .rule import Misfit, Shape, ShapeOf, Unknown


def view(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x, wanted = shape(op.args[0]), op.args[1]
    total = prod(x)
    if -1 in wanted or not op.outputs:
        rest = -prod(wanted)
        if -1 in wanted and (not rest or total % rest):
            raise Misfit
        shape_ = tuple(total // rest if size == -1 else size for size in wanted)
        if prod(shape_) != total:
            raise Misfit
        return [shape_]
    return [_laid_out(op.args[0].shape, x, op.outputs[0].shape)]


def _laid_out(old: Shape, new: Shape, recorded: Shape) -> Shape:
    """The sizes of a view that made `recorded` of `old`, for one of `new`.

    Which of them followed from the input is not in the record. Axes that were merged or left alone
    are followed; of those that were split, the last takes what is left over.
    """
    if 0 in old and len(recorded) == 2:
        return new[0], prod(new[1:])
    if len(old) != len(new) or 0 in old:
        raise Unknown
    sizes: list[int] = []
    i = j = 0
    while i < len(old) or j < len(recorded):
        a, b = i, j
        i, j = i + 1, j + 1
        while prod(old[a:i]) != prod(recorded[b:j]):
            if prod(old[a:i]) < prod(recorded[b:j]) and i < len(old):
                i += 1
            elif j < len(recorded):
                j += 1
            else:
                raise Unknown
        total, split = prod(new[a:i]), recorded[b:j]
        if old[a:i] == new[a:i]:
            sizes += split
        elif split:
            if total % prod(split[:-1]):
                raise Misfit
            sizes += (*split[:-1], total // prod(split[:-1]))
        elif total != 1:
            raise Misfit
    return tuple(sizes)


def permuted(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x = list(shape(op.args[0]))
    if op.name == "aten.permute":
        return [tuple(x[dim] for dim in op.args[1])]
    a, b = (0, 1) if op.name == "aten.t" else op.args[1:3]
    if len(x) > 1:
        x[a], x[b] = x[b], x[a]
    return [tuple(x)]


def selected(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x = shape(op.args[0])
    dim = op.args[1] % len(x)
    return [(*x[:dim], *x[dim + 1 :])]


def sliced(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    """An axis that was taken whole stays whole."""
    x, old = shape(op.args[0]), op.args[0].shape
    dim = op.arg(1, "dim", 0) % len(x)
    taken = op.outputs[0].shape[dim]
    if x[dim] != old[dim] and taken != old[dim]:
        raise Unknown
    return [(*x[:dim], x[dim] if taken == old[dim] else taken, *x[dim + 1 :])]


def cat(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    shapes = [shape(spec) for spec in op.args[0]]
    shapes = [s for s in shapes if s != (0,)]
    dim = op.arg(1, "dim", 0) % len(shapes[0])
    rests = {(*s[:dim], *s[dim + 1 :]) for s in shapes}
    if len(rests) > 1:
        raise Misfit
    return [(*shapes[0][:dim], sum(s[dim] for s in shapes), *shapes[0][dim + 1 :])]


def stack(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    shapes = [shape(spec) for spec in op.args[0]]
    if len(set(shapes)) > 1:
        raise Misfit
    dim = op.arg(1, "dim", 0) % (len(shapes[0]) + 1)
    return [(*shapes[0][:dim], len(shapes), *shapes[0][dim:])]
