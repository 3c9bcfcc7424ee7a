"""Scaled dot-product attention where a device runs it as one operator, and the softmax.

On `meta` attention decomposes into products and a softmax, which have costs of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Self

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .costs import Cost, Term, in_terms, per_element
from .misfit import Misfit
from .reach import WHOLE, Field, lost
from .registry import ShapeOf, Trait, View, operator

SOFTMAX_OPS = 5  # per element: maximum, subtract, exponential, sum, divide


def attention_cost(scores: Shape, widths: int) -> Cost:
    """The cost of both products and the softmax.

    scores: [batch, heads, queries, keys]. widths: the features of a query and of a value together.
    """
    remark = f"{SOFTMAX_OPS} for each pair of a query and a key"
    return in_terms([Term(scores, (widths,))], [Term(scores, (SOFTMAX_OPS,), "softmax", remark)])


@operator(
    "aten._scaled_dot_product_flash_attention",
    "aten._scaled_dot_product_flash_attention_for_cpu",
    "aten._scaled_dot_product_efficient_attention",
    "aten._scaled_dot_product_cudnn_attention",
    "aten._scaled_dot_product_fused_attention_overrideable",
    "aten._scaled_dot_product_attention_math",
    "aten.scaled_dot_product_attention",
)
class Attention(View, frozen=True):
    """[b,h,q,d] @ [b,h,k,d]ᵀ, softmax over k, @ [b,h,k,v] → [b,h,q,v]

    A causal mask is not discounted, and with grouped queries each query head counts.
    """

    query: TensorSpec
    key: TensorSpec
    value: TensorSpec
    out: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> Self:
        query, key, value = op.args[:3]
        return cls(query, key, value, op.outputs[0] if op.outputs else None)

    @property
    def scores(self) -> int:
        """Pairs of a query and a key, in all heads."""
        return prod(self.query.shape[:-1]) * self.key.shape[-2]

    def cost(self) -> Cost:
        widths = self.query.shape[-1] + self.value.shape[-1]
        return attention_cost((*self.query.shape[:-1], self.key.shape[-2]), widths)

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        """Of the first output: how backends pad the statistics of the softmax differs."""
        query, key, value = shape(self.query), shape(self.key), shape(self.value)
        if min(len(query), len(key), len(value)) < 2:
            raise Misfit
        if query[-1] != key[-1] or key[-2] != value[-2]:
            raise Misfit
        return [(*query[:-1], value[-1])]


@operator("aten._softmax", "aten._log_softmax", "aten._safe_softmax", traits=Trait.REDUCTION)
class Softmax(View, frozen=True):
    """y = exp(x) / Σ exp(x) along an axis, or its logarithm."""

    x: TensorSpec
    dim: int
    out: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> Self:
        return cls(op.args[0], op.args[1], op.outputs[0] if op.outputs else None)

    def cost(self) -> Cost:
        return per_element(self.x, SOFTMAX_OPS)

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        return [shape(self.x)]

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field:
        return x if x.axis_of(self.dim % len(x.dims)) is None else lost(WHOLE)
