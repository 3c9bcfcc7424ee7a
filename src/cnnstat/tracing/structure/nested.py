"""Nested tensors: rows of different lengths in one tensor, jagged or strided.

A jagged one (`torch.jagged`) is a subclass around a dense tensor of all rows and their offsets; its
operators run on that. A strided one is an object of torch's C++, whose operators it gets whole.
The lengths are values, so a model with nested tensors is executed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import torch
from msgspec import structs
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from ...results import Shape
from ...trace.records import Op, TensorSpec
from .containers import tensors_among

NESTED = frozenset({
    "aten::_nested_tensor_from_tensor_list", "aten::_nested_tensor_from_mask",
    "aten::_nested_from_padded",
})  # fmt: skip
"""Operators that create a strided nested tensor of dense ones."""


class Rows(NamedTuple):
    """The shapes of the rows of a nested tensor."""

    shapes: tuple[tuple[int, ...], ...]

    @property
    def bound(self) -> tuple[int, ...]:
        """The smallest shape that contains the tensor, with the number of rows first."""
        return (len(self.shapes), *(max(sizes) for sizes in zip(*self.shapes, strict=True)))

    @property
    def numel(self) -> int:
        return sum(map(prod, self.shapes))

    @property
    def ragged(self) -> tuple[int, ...]:
        """The axes in which rows differ."""
        sizes = zip(*self.shapes, strict=True)
        return tuple(axis for axis, found in enumerate(sizes, 1) if len(set(found)) > 1)


def is_jagged(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.jagged


def is_strided_nested(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_nested and value.layout is not torch.jagged


def has_strided_nested(args: Any, kwargs: Any) -> bool:
    return any(is_strided_nested(tensor) for tensor in tensors_among((args, kwargs)))


def values_of(jagged: Any) -> Tensor:
    """The dense tensor of all rows of a jagged one."""
    return jagged._values  # type: ignore[no-any-return]  # torch declares no types


def parts_of(tensor: Tensor) -> tuple[Tensor, ...]:
    """The tensors in memory: of a jagged one its values, their offsets and perhaps lengths."""
    if not is_jagged(tensor):
        return (tensor,)
    jagged: Any = tensor
    parts = (jagged._values, jagged._offsets, jagged._lengths)
    return tuple(part for part in parts if part is not None)


def rows_of(nested: Tensor) -> Rows:
    """The shapes of the rows; reading them is no operator of the model."""
    jagged: Any = nested
    with _disable_current_modes(), torch._C.DisableTorchFunction():
        if not is_jagged(nested):
            return Rows(tuple(map(tuple, jagged._nested_tensor_size().tolist())))
        lengths = lengths_of(nested)
        axis = jagged._ragged_idx - 1
        shape = tuple(jagged._values.shape)
        return Rows(tuple((*shape[:axis], n, *shape[axis + 1 :]) for n in lengths))


def lengths_of(jagged: Any) -> list[int]:
    """The lengths of the rows of a jagged tensor."""
    lengths = jagged._offsets.diff() if jagged._lengths is None else jagged._lengths
    return list(map(int, lengths.tolist()))


def each_row(op: Op, nested: Mapping[int, Sequence[Shape]]) -> tuple[Op, ...]:
    """What an operator on strided nested tensors does on each row; empty if it gets none.

    A row is a batch of one, so that axes keep their numbers; a dense operand with as many axes and
    rows is cut likewise. `nested` are the shapes of the rows by the number of the tensor.
    """
    operands = [spec for spec in op.inputs if spec.value in nested]
    if not operands:
        return ()
    count, dims = operands[0].shape[0], len(operands[0].shape)

    def of_row(value: Any, row: int) -> Any:
        if isinstance(value, tuple):
            return tuple(of_row(item, row) for item in value)
        if not isinstance(value, TensorSpec):
            return value
        shape = value.shape
        if value.value in nested:
            shape = (1, *nested[value.value][row])
        elif len(shape) == dims and shape[0] == count:
            shape = (1, *shape[1:])
        return structs.replace(value, shape=shape, stored=None, ragged=())

    return tuple(
        structs.replace(
            op,
            args=of_row(op.args, row),
            kwargs={name: of_row(value, row) for name, value in op.kwargs.items()},
            outputs=of_row(op.outputs, row),
        )
        for row in range(count)
    )
