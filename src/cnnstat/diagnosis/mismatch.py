"""The actual and the expected sizes of a refused operator or layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Literal

from ..operators.convolution import Convolution
from ..operators.joins import Cat, Join
from ..operators.linear import Matmul
from ..operators.normalization import ChannelNorm
from ..operators.pooling import AdaptivePool, Pool
from ..operators.registry import Trait, traits_of, view_of
from ..operators.shape_rules import Misfit, broadcast
from ..operators.views import Reshape
from ..results import Shape
from ..trace.records import Call, Failure, Op, TensorSpec, tensors_in
from .literals import plain
from .replay import INPUT_AXES

Kind = Literal[
    "features", "channels", "join", "broadcast", "window", "view", "product", "dims", "dtype",
    "indices", "state", "other",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What does not fit.

    Attributes:
        operand: the tensor at fault; None where no single one is.
        expected: the size that would fit.
        actual: the size of `operand` in its place.
        pairs: all pairs (expected, actual) of which one might be changed for the other.
    """

    kind: Kind
    operand: TensorSpec | None
    expected: int | None = None
    actual: int | None = None
    pairs: tuple[tuple[int, int], ...] = ()


OTHER = Mismatch("other", None)


def mismatch_of(failure: Failure) -> Mismatch:
    """What does not fit in a failed run; kind "other" where the operands do not show it."""
    found = None if failure.op is None else _of_op(failure.op)
    if failure.index is not None and failure.op is not None:
        return _of_indices(failure.op, failure.index)
    return _of_dimensions(failure) or found or _of_layer(failure) or OTHER


def _of_indices(op: Op, index: int) -> Mismatch:
    """A look-up of an index that the table does not have."""
    table, *others = op.inputs
    indices = others[0] if others else table
    rows = table.shape[0] if table.shape else 1
    pairs = ((rows, index + 1),) if index >= rows else ()
    return Mismatch("indices", indices, rows, index + 1, pairs)


def _of_dimensions(failure: Failure) -> Mismatch | None:
    """A batch norm on another number of axes, or an embedding on anything but indices."""
    call = failure.calls[-1] if failure.calls else None
    if call is None or call.module is None or not call.inputs:
        return None
    x, base = call.inputs[0], call.module.base
    if base.startswith("Embedding") and not x.dtype.startswith(("int", "uint")):
        return Mismatch("dtype", x)
    axes = int(base[-2]) + 2 if base in _NORMS else None
    if axes is None or len(x.shape) == axes or (axes == 3 and len(x.shape) == 2):
        return None
    return Mismatch("dims", x, axes, len(x.shape))


_NORMS = {"BatchNorm1d", "BatchNorm2d", "BatchNorm3d"}


def _of_op(op: Op) -> Mismatch | None:
    view = view_of(op)
    if isinstance(view, Convolution):
        return _of_convolution(view)
    if isinstance(view, Matmul):
        return _of_product(view)
    if isinstance(view, ChannelNorm):
        return _of_norm(view)
    if isinstance(view, Join):
        joined = view.dim if isinstance(view, Cat) else None
        pairs = tuple(_differing([tensor.shape for tensor in view.tensors], joined))
        return Mismatch("join", None, pairs=pairs) if pairs else None
    if isinstance(view, Reshape) and view.sizes is not None:
        x, sizes = view.x, view.sizes
        return Mismatch("view", x, abs(prod(sizes)), prod(x.shape), tuple(_of_view(x.shape, sizes)))
    if isinstance(view, Pool | AdaptivePool):
        return Mismatch("window", op.inputs[0])
    if Trait.ELEMENTWISE in traits_of(op.name) and len(op.inputs) > 1:
        return _of_broadcast(op)
    return None


def _of_convolution(view: Convolution) -> Mismatch | None:
    x, weight, expected = view.x, view.weight, view.in_channels
    if len(x.shape) != len(weight.shape):
        return Mismatch("dims", x, len(weight.shape), len(x.shape))
    if x.shape[1] != expected:
        return Mismatch("channels", x, expected, x.shape[1], ((expected, x.shape[1]),))
    return Mismatch("window", x)


def _of_product(product: Matmul) -> Mismatch | None:
    if not product.a.shape or not product.b.shape:  # scalars
        return None
    expected, actual = product.rows_of_b, product.inner
    if expected == actual:
        return None
    kind: Kind = "features" if product.b.parameter is not None else "product"
    return Mismatch(kind, product.a, expected, actual, ((expected, actual),))


def _of_norm(norm: ChannelNorm) -> Mismatch | None:
    x = norm.x
    for spec in norm.parameters:
        if len(spec.shape) == 1 and len(x.shape) > 1 and spec.shape[0] != x.shape[1]:
            pair = (spec.shape[0], x.shape[1])
            return Mismatch("channels", x, *pair, (pair,))
    return None


def _of_broadcast(op: Op) -> Mismatch | None:
    shapes = [spec.shape for spec in op.inputs]
    try:
        broadcast(shapes)
    except Misfit:
        longest = max(map(len, shapes))
        padded = [(1,) * (longest - len(shape)) + shape for shape in shapes]
        return Mismatch("broadcast", op.inputs[0], pairs=tuple(_differing(padded, None)))
    return None


def _differing(shapes: list[tuple[int, ...]], joined: int | None) -> Iterator[tuple[int, int]]:
    """Pairs of sizes that should be equal and are not, in both orders.

    `joined` is the axis along which sizes may differ; None for broadcasting, where 1 fits all.
    """
    length = max(map(len, shapes), default=0)
    for axis in range(length):
        if joined is not None and axis == joined % length:
            continue
        sizes = dict.fromkeys(shape[axis] for shape in shapes if len(shape) == length)
        for a in sizes:
            yield from ((a, b) for b in sizes if a != b and (joined is not None or 1 not in (a, b)))


def _of_view(shape: tuple[int, ...], sizes: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """For each size that was requested: it, and the elements of one row."""
    rows = shape[0] if shape else 1
    for size in sizes:
        if size > 1:
            yield size, prod(shape) // max(1, rows)


def _of_layer(failure: Failure) -> Mismatch | None:
    """For a layer that raises before an operator runs."""
    if not failure.calls:
        return None
    call = failure.calls[-1]
    if call.module is None:
        return _of_function(failure)
    if call.module.base not in INPUT_AXES or not call.inputs:
        return None
    name, axis = INPUT_AXES[call.module.base]
    expected = plain(call.module.settings.get(name))
    expected = expected[-1] if isinstance(expected, tuple) else expected
    x = call.inputs[0]
    if expected is None or len(x.shape) < max(axis + 1, -axis):
        return None
    actual = x.shape[axis]
    if actual == expected:
        return _of_state(call) or Mismatch("other", x)
    kind: Kind = "features" if axis == -1 else "channels"
    return Mismatch(kind, x, expected, actual, ((expected, actual),))


def _of_state(call: Call) -> Mismatch | None:
    """A state of a recurrent layer that has not its shape; `expected` if it has another width."""
    target = state_shape(call)
    state = next((x for x in call.inputs[1:] if target is not None and x.shape != target), None)
    if target is None or state is None:
        return None
    if len(state.shape) != len(target) or state.shape[-1] == target[-1]:
        return Mismatch("state", state)
    pair = target[-1], state.shape[-1]
    return Mismatch("state", state, *pair, (pair,))


_RECURRENT = {"RNN", "LSTM", "GRU"}
_CELLS = {"RNNCell", "LSTMCell", "GRUCell"}


def state_shape(call: Call) -> Shape | None:
    """Of the states of a recurrent layer on its input; None for any other layer."""
    module = call.module
    if module is None or module.base not in _RECURRENT | _CELLS:
        return None
    settings = {name: plain(value) for name, value in module.settings.items()}
    x = call.inputs[0].shape if call.inputs else ()
    if module.base in _CELLS:
        return (*x[:-1], settings["hidden_size"])
    if len(x) not in (2, 3) or settings["proj_size"]:
        return None
    rows = settings["num_layers"] * (2 if settings["bidirectional"] else 1)
    batch = () if len(x) == 2 else (x[0 if settings["batch_first"] else 1],)
    return (rows, *batch, settings["hidden_size"])


def _of_function(failure: Failure) -> Mismatch | None:
    """For a function that torch refuses before an operator runs: `stack`, `einsum`, `@`."""
    call = failure.calls[-1]
    shapes = [spec.shape for spec in tensors_in(call.inputs)]
    if call.type in ("cat", "concat", "stack") and len(shapes) > 1:
        return Mismatch("join", None, pairs=tuple(_differing(shapes, None)))
    if call.type in ("view", "reshape") and shapes:
        return Mismatch("view", call.inputs[0], None, prod(shapes[0]))
    return None
