"""The bytes that an operator reads from memory and writes to it.

An operator that runs on its own reads each of its inputs once and writes each of its outputs once.
That is the least it can do unless its operands are still in a cache: many kernels read something
twice. Views move nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..choices import OPTIMIZERS, PRECISIONS, OptimizerName, RooflinePrecision
from ..operators.costs import reason_free
from ..operators.registry import view_of
from ..trace.records import Op, TensorSpec

_FLOATS = frozenset({"float64", "float32", "bfloat16", "float16"})

_STILL = (
    "layout only", "asks about a tensor", "checks a value", "marks a span",
)  # fmt: skip
"""How the reasons begin for which an operator moves no data."""
_UNWRITTEN = frozenset({"aten.empty", "aten.empty_like", "aten.empty_strided", "aten.new_empty",
                        "aten.new_empty_strided"})  # fmt: skip
_OVERWRITING = frozenset({"aten.fill_", "aten.zero_", "aten.copy_", "aten.bernoulli_",
                          "aten.uniform_", "aten.normal_", "aten.exponential_"})  # fmt: skip
"""In place, without reading what stood there."""
_LOOKUPS = frozenset({"aten.embedding", "aten.index", "aten.index_select", "aten.gather",
                      "aten.take", "aten._unsafe_index"})  # fmt: skip

_PLACING = frozenset({"aten.index_put_", "aten.index_copy_"})


class Traffic:
    """Counts the operators of one run, in their order.

    `precision` is what all floating-point tensors are taken to be in; others keep their type.
    """

    def __init__(self, precision: RooflinePrecision) -> None:
        self._itemsize = PRECISIONS[precision].itemsize
        self._held: dict[int, int] = {}  # elements behind an expanded tensor, by its value

    def of(self, op: Op) -> int:
        reason = reason_free(op.name)
        if reason is not None and reason.startswith(_STILL):
            self._follow(op)
            return 0
        if op.name in _UNWRITTEN:
            return 0
        if op.name in _PLACING:  # (x, indices, values): only where they are put
            return self.of_tensors(op.inputs[1:]) + self._bytes(op.inputs[-1])
        written = self.of_tensors(_written(op))
        if op.name in _LOOKUPS:  # of the table no more than what is looked up
            looked_up = min(written, self._bytes(op.inputs[0]))
            return written + looked_up + self.of_tensors(op.inputs[1:])
        return written + self.of_tensors(_read(op))

    def of_tensors(self, tensors: Iterable[TensorSpec]) -> int:
        """The bytes of tensors, each once."""
        return sum(self._bytes(tensor) for tensor in _distinct(tensors))

    def _follow(self, op: Op) -> None:
        """A tensor expanded to more elements is no larger in memory."""
        if len(op.inputs) == 1:
            held = self._elements(op.inputs[0])
            self._held |= {t.value: held for t in op.outputs if t.numel > held}

    def _elements(self, tensor: TensorSpec) -> int:
        return self._held.get(tensor.value, tensor.numel)

    def _bytes(self, tensor: TensorSpec) -> int:
        itemsize = self._itemsize if tensor.dtype in _FLOATS else tensor.itemsize
        return self._elements(tensor) * itemsize


def _written(op: Op) -> Iterable[TensorSpec]:
    if op.name == "aten.native_batch_norm" and not op.args[5]:
        return op.outputs[:1]  # with fixed statistics none are kept for the backward pass
    return op.outputs


def _read(op: Op) -> Iterable[TensorSpec]:
    if op.name in _OVERWRITING:
        return op.inputs[1:]
    view = view_of(op)
    reads = None if view is None else view.reads
    return op.inputs if reads is None else reads


def _distinct(tensors: Iterable[TensorSpec]) -> list[TensorSpec]:
    """Each tensor once: x · x reads one."""
    return list({tensor.value: tensor for tensor in tensors}.values())


def update_bytes(optimizer: OptimizerName, trained: int, precision: RooflinePrecision) -> int:
    """The bytes that an optimizer moves for `trained` parameters.

    Parameters, gradients and state are in fp32 (fp64 with fp64), as autocast keeps them.
    """
    itemsize = PRECISIONS[precision].parameter_itemsize
    return OPTIMIZERS[optimizer].accesses * itemsize * trained
