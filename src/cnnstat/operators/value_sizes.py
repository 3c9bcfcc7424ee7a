"""Operators whose output size depends on values, and the operands that decide it."""

from __future__ import annotations

from ..trace.records import Op, TensorSpec
from .registry import Trait, traits_of

_MASKS = ("bool", "uint8")
_UNIQUE = {
    "aten._unique", "aten._unique2", "aten.unique_dim", "aten.unique_consecutive",
    "aten.unique_dim_consecutive",
}  # fmt: skip
_REFUSED_WITHOUT_DATA = {*_UNIQUE, "aten.bincount", "aten.repeat_interleave"}


def deciding(op: Op) -> tuple[TensorSpec, ...]:
    """The operands whose values decide the size of the output; none if the shapes decide it."""
    if op.name == "aten.index":  # x[mask]
        return tuple(tensor for tensor in op.inputs[1:] if tensor.dtype in _MASKS)
    if op.name == "aten.masked_select":
        return op.inputs[1:]
    if op.name == "aten.repeat_interleave":
        counts = op.overload == "Tensor" and op.arg(1, "output_size") is None
        return op.inputs[:1] if counts else ()
    if op.name == "aten.bincount":  # as many bins as the largest value, and `minlength` at least
        fits = op.outputs[0].shape[0] == op.arg(2, "minlength", 0)
        return () if fits else op.inputs[:1]
    return op.inputs if Trait.VALUE_SIZED in traits_of(op.name) else ()


def sized(op: Op) -> tuple[TensorSpec, ...]:
    """The outputs of such an operator whose size depends on values."""
    if op.name in _UNIQUE:  # the second output is the index in the first of each element
        return (*op.outputs[:1], *op.outputs[2:])
    return op.outputs


def is_largest(op: Op) -> bool:
    """Whether a run without data assumes the largest size; else it needs the values."""
    return op.name not in _REFUSED_WITHOUT_DATA
