"""Embeddings: rows of a table, looked up by their index."""

from __future__ import annotations

from typing import Any, Self

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .misfit import Misfit
from .registry import ShapeOf, Trait, View, operator


@operator(
    "aten.embedding",
    traits=Trait.LOOKUP | Trait.PROJECTION,
    reason="a look-up: values are read by their index",
)
class Embedding(View, frozen=True):
    """(table [V,E], indices [*]) → [*,E]"""

    table: TensorSpec
    indices: TensorSpec
    out: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> Self:
        return cls(op.args[0], op.args[1], op.outputs[0] if op.outputs else None)

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments in the operator's order: for ONNX, which records it."""
        return (self.table, self.indices)

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        return [looked_up(shape(self.table), shape(self.indices))]


def looked_up(table: Shape, indices: Shape) -> Shape:
    """[V,E] at [*] → [*,E]"""
    if len(table) != 2:
        raise Misfit
    return (*indices, table[1])
