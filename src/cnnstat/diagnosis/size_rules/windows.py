"""Convolution and pooling, a mean over axes included: the sizes that windows leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...trace.records import Op
from ..literals import plain
from .rule import Misfit, Shape, ShapeOf, tuple_of


def _window(size: int, kernel: int, stride: int, padding: int, dilation: int, up: bool) -> int:
    """⌊(size + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1, rounded up for `ceil_mode`.

    A last window that would start in the padding does not count.
    """
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0:
        raise Misfit
    steps = -(-room // stride) if up else room // stride
    if up and steps * stride >= size + padding:
        steps -= 1
    return steps + 1


def convolution(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x, weight = shape(op.args[0]), shape(op.args[1])
    stride, padding, dilation, transposed, extra, groups = op.args[3:9]
    if settings is not None:
        stride, padding, dilation, groups = (
            plain(settings[name]) for name in ("stride", "padding", "dilation", "groups")
        )
    n = len(weight) - 2
    if len(x) != len(weight) or x[1] != (weight[0] if transposed else weight[1] * groups):
        raise Misfit
    windows = zip(x[2:], weight[2:], tuple_of(stride, n), tuple_of(padding, n),
                  tuple_of(dilation, n), tuple_of(extra, n), strict=True)  # fmt: skip
    if transposed:
        sides = [(i - 1) * s - 2 * p + d * (k - 1) + e + 1 for i, k, s, p, d, e in windows]
        return [(x[0], weight[1] * groups, *sides)]
    return [(x[0], weight[0], *(_window(i, k, s, p, d, False) for i, k, s, p, d, _ in windows))]


def pool(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x = shape(op.args[0])
    n = int(op.name.split("pool")[1][0])
    is_max = "max" in op.name
    kernel = tuple_of(op.args[1], n)
    stride = tuple_of(op.arg(2, "stride") or kernel, n)
    padding = tuple_of(op.arg(3, "padding", 0), n)
    dilation = tuple_of(op.arg(4, "dilation", 1) if is_max else 1, n)
    up = bool(op.arg(5 if is_max else 4, "ceil_mode", False))
    if settings is not None:
        kernel = tuple_of(settings["kernel_size"], n)
        stride = tuple_of(settings["stride"] or kernel, n)
        padding = tuple_of(settings["padding"], n)
        dilation = tuple_of(settings.get("dilation", 1), n)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise Misfit
    windows = zip(x[-n:], kernel, stride, padding, dilation, strict=True)
    out = (*x[:-n], *(_window(*window, up) for window in windows))
    return [out] * len(op.outputs)


def adaptive(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x = shape(op.args[0])
    n = int(op.name.split("pool")[1][0])
    if settings is not None:
        return [(*x[:-n], *tuple_of(settings["output_size"], n))]
    return [(*x[:-n], *out.shape[-n:]) for out in op.outputs]


def mean(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x = shape(op.args[0])
    dims = op.args[1] if len(op.args) > 1 and op.args[1] else range(len(x))
    dims = {dim % len(x) for dim in dims}
    if settings is not None and "output_size" in settings:  # what an adaptive pooling to 1 runs
        return [(*x[: -len(dims)], *tuple_of(settings["output_size"], len(dims)))]
    keep = bool(op.arg(2, "keepdim", False))
    return [tuple(1 if i in dims else n for i, n in enumerate(x) if keep or i not in dims)]
