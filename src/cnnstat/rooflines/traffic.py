"""The bytes that operators, and kernels fused from several, read from memory and write to it.

An operator that runs on its own reads each of its inputs once and writes each of its outputs once.
This is a minimum unless operands are still in a cache: many kernels read something twice. Views
move nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..choices import OPTIMIZERS, PRECISIONS, OptimizerName, RooflinePrecision
from ..operators.registry import Trait, is_in_place, moves_no_data, traits_of, view_of
from ..trace.records import Call, Op, TensorSpec, Trace

_FLOATS = frozenset({"float64", "float32", "bfloat16", "float16"})


class Traffic:
    """Counts the bytes of the operators of one run, in their order.

    All floating-point tensors are assumed to be in `precision`; others keep their dtype.
    """

    def __init__(self, precision: RooflinePrecision) -> None:
        self._itemsize = PRECISIONS[precision].itemsize
        self._stored: dict[int, int] = {}  # elements in memory of an expanded tensor, by its value

    def of(self, op: Op) -> int:
        traits = traits_of(op.name)
        if moves_no_data(op.name):
            self._follow(op)
            return 0
        if Trait.UNWRITTEN in traits:
            return 0
        if Trait.PLACES in traits and is_in_place(op.name):  # (x, indices, values)
            return self.of_tensors(op.inputs[1:]) + self._bytes(op.inputs[-1])
        written = self.of_tensors(_written(op))
        if Trait.LOOKUP in traits:  # the table counts up to the size of the result
            looked_up = min(written, self._bytes(op.inputs[0]))
            return written + looked_up + self.of_tensors(op.inputs[1:])
        return written + self.of_tensors(_read(op))

    def of_tensors(self, tensors: Iterable[TensorSpec]) -> int:
        """The bytes of tensors, each counted once."""
        return sum(self._bytes(tensor) for tensor in _distinct(tensors))

    def _follow(self, op: Op) -> None:
        """Note the views with more elements than memory: an expanded tensor is not larger."""
        if len(op.inputs) == 1:
            stored = self._elements(op.inputs[0])
            self._stored |= {t.value: stored for t in op.outputs if t.numel > stored}

    def _elements(self, tensor: TensorSpec) -> int:
        return self._stored.get(tensor.value, tensor.numel)

    def _bytes(self, tensor: TensorSpec) -> int:
        itemsize = self._itemsize if tensor.dtype in _FLOATS else tensor.itemsize
        return self._elements(tensor) * itemsize


def _written(op: Op) -> Iterable[TensorSpec]:
    view = view_of(op)
    written = None if view is None else view.writes
    return op.outputs if written is None else written


def _read(op: Op) -> Iterable[TensorSpec]:
    if Trait.OVERWRITES in traits_of(op.name) and is_in_place(op.name):
        return op.inputs[1:]
    view = view_of(op)
    reads = None if view is None else view.reads
    return op.inputs if reads is None else reads


def _distinct(tensors: Iterable[TensorSpec]) -> list[TensorSpec]:
    """The tensors without repetition: x · x reads one."""
    return list({tensor.value: tensor for tensor in tensors}.values())


def update_bytes(optimizer: OptimizerName, trained: int, precision: RooflinePrecision) -> int:
    """The bytes that an optimizer moves for `trained` parameters.

    Parameters, gradients and state are in fp32 (fp64 with fp64), as autocast keeps them.
    """
    itemsize = PRECISIONS[precision].parameter_itemsize
    return OPTIMIZERS[optimizer].accesses * itemsize * trained


@dataclass(frozen=True, slots=True)
class Moved:
    """Bytes moved by the forward and the backward kernel."""

    forward: int
    backward: int


def fused_calls(trace: Trace, precision: RooflinePrecision) -> dict[int, Moved]:
    """The bytes of each call that runs as one kernel, by its index."""
    traffic = Traffic(precision)
    fused = {}
    for call in trace.calls:
        operands = traffic.of_tensors((*call.inputs, *call.outputs))
        if call.kind == "function" and call.type == "scaled_dot_product_attention":
            # Scores stay on the chip (Dao et al. 2022): the forward kernel reads q, k, v and writes
            # the output; the backward kernel reads these and dy, and writes dq, dk, dv.
            fused[call.index] = Moved(operands, 2 * operands)
        elif _is_dropout(call) and call.outputs:
            mask = call.outputs[0].numel  # a byte for each element
            fused[call.index] = Moved(operands + mask, operands + mask)
    return fused


def _is_dropout(call: Call) -> bool:
    if call.module is not None:
        return call.module.base == "Dropout"
    return call.type == "dropout"
