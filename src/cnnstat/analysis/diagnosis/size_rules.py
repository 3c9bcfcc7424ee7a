"""The sizes that operators make, by rules on shapes alone: one for each kind of operator.

A rule takes the operator as it was recorded, the shapes that its operands have now, and the
settings of its layer if those are changed; it returns the shapes of the outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from ...tracing.records import Op, TensorSpec
from .literals import plain

Shape = tuple[int, ...]


class Unknown(Exception):
    """It cannot be told without running the model."""


class Misfit(Exception):
    """The operator would be refused."""


ShapeOf = Callable[[TensorSpec], Shape]
Rule = Callable[[Op, ShapeOf, "dict[str, Any] | None"], Sequence[Shape]]


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


def _tuple(value: Any, length: int) -> tuple[int, ...]:
    value = plain(value)
    if isinstance(value, str):
        raise Unknown
    sizes = tuple(value) if isinstance(value, tuple | list) else (value,)
    return sizes * length if len(sizes) == 1 else sizes


def _convolution(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x, weight = shape(op.args[0]), shape(op.args[1])
    stride, padding, dilation, transposed, extra, groups = op.args[3:9]
    if settings is not None:
        stride, padding, dilation, groups = (
            plain(settings[name]) for name in ("stride", "padding", "dilation", "groups")
        )
    n = len(weight) - 2
    if len(x) != len(weight) or x[1] != (weight[0] if transposed else weight[1] * groups):
        raise Misfit
    windows = zip(x[2:], weight[2:], _tuple(stride, n), _tuple(padding, n), _tuple(dilation, n),
                  _tuple(extra, n), strict=True)  # fmt: skip
    if transposed:
        sides = [(i - 1) * s - 2 * p + d * (k - 1) + e + 1 for i, k, s, p, d, e in windows]
        return [(x[0], weight[1] * groups, *sides)]
    return [(x[0], weight[0], *(_window(i, k, s, p, d, False) for i, k, s, p, d, _ in windows))]


def _pool(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x = shape(op.args[0])
    n = int(op.name.split("pool")[1][0])
    is_max = "max" in op.name
    kernel = _tuple(op.args[1], n)
    stride = _tuple(op.arg(2, "stride") or kernel, n)
    padding = _tuple(op.arg(3, "padding", 0), n)
    dilation = _tuple(op.arg(4, "dilation", 1) if is_max else 1, n)
    up = bool(op.arg(5 if is_max else 4, "ceil_mode", False))
    if settings is not None:
        kernel = _tuple(settings["kernel_size"], n)
        stride = _tuple(settings["stride"] or kernel, n)
        padding = _tuple(settings["padding"], n)
        dilation = _tuple(settings.get("dilation", 1), n)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise Misfit
    windows = zip(x[-n:], kernel, stride, padding, dilation, strict=True)
    out = (*x[:-n], *(_window(*window, up) for window in windows))
    return [out] * len(op.outputs)


def _product(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    a, b = shape(op.args[-2]), shape(op.args[-1])
    if op.name == "aten.addmm":
        a, b = shape(op.args[1]), shape(op.args[2])
    if len(a) != len(b) or a[-1] != b[-2] or a[:-2] != b[:-2]:
        raise Misfit
    return [(*a[:-1], b[-1])]


def _cat(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    shapes = [shape(spec) for spec in op.args[0]]
    shapes = [s for s in shapes if s != (0,)]
    dim = op.arg(1, "dim", 0) % len(shapes[0])
    rests = {(*s[:dim], *s[dim + 1 :]) for s in shapes}
    if len(rests) > 1:
        raise Misfit
    return [(*shapes[0][:dim], sum(s[dim] for s in shapes), *shapes[0][dim + 1 :])]


def _view(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
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


def _stack(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    shapes = [shape(spec) for spec in op.args[0]]
    if len(set(shapes)) > 1:
        raise Misfit
    dim = op.arg(1, "dim", 0) % (len(shapes[0]) + 1)
    return [(*shapes[0][:dim], len(shapes), *shapes[0][dim:])]


def _embedding(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    return [(*shape(op.args[1]), shape(op.args[0])[-1])]


def _norm(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x = shape(op.args[0])
    if "layer_norm" in op.name:
        if settings is not None:
            normalized = tuple(plain(settings["normalized_shape"]))
        else:
            normalized = tuple(op.args[1])
        if x[len(x) - len(normalized) :] != normalized:
            raise Misfit
    else:
        for spec in op.inputs[1:]:
            if shape(spec) != (x[1],):
                raise Misfit
    return [x if out.shape == op.args[0].shape else out.shape for out in op.outputs] or [x]


def _mean(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x = shape(op.args[0])
    dims = op.args[1] if len(op.args) > 1 and op.args[1] else range(len(x))
    dims = {dim % len(x) for dim in dims}
    if settings is not None and "output_size" in settings:  # what an adaptive pooling to 1 runs
        return [(*x[: -len(dims)], *_tuple(settings["output_size"], len(dims)))]
    keep = bool(op.arg(2, "keepdim", False))
    return [tuple(1 if i in dims else n for i, n in enumerate(x) if keep or i not in dims)]


def _adaptive(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x = shape(op.args[0])
    n = int(op.name.split("pool")[1][0])
    if settings is not None:
        return [(*x[:-n], *_tuple(settings["output_size"], n))]
    return [(*x[:-n], *out.shape[-n:]) for out in op.outputs]


def _recurrent(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    """(…, hidden · directions), and the states of (layers · directions, …, hidden)."""
    x = shape(op.args[0])
    recorded = op.outputs[0].shape
    if settings is None:
        if x[-1] != op.args[0].shape[-1]:
            raise Misfit
        return [(*x[:-1], recorded[-1]), *(out.shape for out in op.outputs[1:])]
    if x[-1] != plain(settings["input_size"]):
        raise Misfit
    hidden = plain(settings["hidden_size"])
    both = 2 if settings["bidirectional"] else 1
    if plain(settings.get("proj_size", 0)):
        raise Unknown
    states = [(*out.shape[:-1], hidden) for out in op.outputs[1:]]
    return [(*x[:-1], both * hidden), *states]


def _permuted(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x = list(shape(op.args[0]))
    if op.name == "aten.permute":
        return [tuple(x[dim] for dim in op.args[1])]
    a, b = (0, 1) if op.name == "aten.t" else op.args[1:3]
    if len(x) > 1:
        x[a], x[b] = x[b], x[a]
    return [tuple(x)]


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The common shape of operands; raises `Misfit` where there is none."""
    longest = max(map(len, shapes))
    padded = [(1,) * (longest - len(shape)) + shape for shape in shapes]
    sizes = []
    for axis in zip(*padded, strict=True):
        distinct = {size for size in axis if size != 1}
        if len(distinct) > 1:
            raise Misfit
        sizes.append(distinct.pop() if distinct else 1)
    return tuple(sizes)


def _selected(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    x = shape(op.args[0])
    dim = op.args[1] % len(x)
    return [(*x[:dim], *x[dim + 1 :])]


def _sliced(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    """An axis that was taken whole stays whole."""
    x, old = shape(op.args[0]), op.args[0].shape
    dim = op.arg(1, "dim", 0) % len(x)
    taken = op.outputs[0].shape[dim]
    if x[dim] != old[dim] and taken != old[dim]:
        raise Unknown
    return [(*x[:dim], x[dim] if taken == old[dim] else taken, *x[dim + 1 :])]


def _elementwise(op: Op, shape: ShapeOf, settings: Any) -> Sequence[Shape]:
    """What makes of each element one: recognized by the recorded shapes."""
    if not op.inputs:
        raise Unknown
    if op.outputs:
        try:
            recorded = broadcast([spec.shape for spec in op.inputs])
        except Misfit:
            raise Unknown from None
        if any(out.shape != recorded for out in op.outputs):
            raise Unknown
    elif op.name not in _ELEMENTWISE:
        raise Unknown
    return [broadcast([shape(spec) for spec in op.inputs])] * max(1, len(op.outputs))


_OPERATORS = ("add", "sub", "mul", "div", "where", "maximum", "minimum", "pow")
_ELEMENTWISE = {f"aten.{name}{end}" for name in _OPERATORS for end in ("", "_")}
_RULES: dict[str, Rule] = {
    "aten.convolution": _convolution,
    **dict.fromkeys(["aten.mm", "aten.addmm", "aten.bmm"], _product),
    "aten.cat": _cat,
    "aten.stack": _stack,
    "aten.select": _selected,
    "aten.slice": _sliced,
    "aten.embedding": _embedding,
    **dict.fromkeys(["aten.view", "aten._unsafe_view", "aten.reshape"], _view),
    "aten.mean": _mean,
    **dict.fromkeys(["aten.t", "aten.transpose", "aten.permute"], _permuted),
}


_RECURRENT = {"aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu"}


def rule_for(name: str) -> Rule:
    """The rule for an operator: without one of its own, that of elementwise operators."""
    if name in _RECURRENT:
        return _recurrent
    if name in _RULES:
        return _RULES[name]
    if "_norm" in name and "backward" not in name and "linalg" not in name:
        return _norm
    if "adaptive" in name:
        return _adaptive
    if "pool" in name:
        return _pool
    return _elementwise
