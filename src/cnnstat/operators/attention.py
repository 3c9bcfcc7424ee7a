"""Scaled dot-product attention where a device runs it as one operator.

On `meta` it decomposes into products and a softmax, which have rules of their own.
"""

from __future__ import annotations

from ..trace.records import Op
from .registry import Cost, rule


@rule(
    "aten._scaled_dot_product_flash_attention",
    "aten._scaled_dot_product_flash_attention_for_cpu",
    "aten._scaled_dot_product_efficient_attention",
    "aten._scaled_dot_product_cudnn_attention",
    "aten._scaled_dot_product_fused_attention_overrideable",
    "aten._scaled_dot_product_attention_math",
    "aten.scaled_dot_product_attention",
)
def scaled_dot_product_attention(op: Op) -> Cost:
    # [b,h,q,d] @ [b,h,k,d]ᵀ, softmax over k, @ [b,h,k,v]; a causal mask is not discounted, and
    # with grouped queries each query head counts
    query, key, value = (tensor.shape for tensor in op.inputs[:3])
    *batch_and_heads, queries, width = query
    scores = queries * key[-2]
    for size in batch_and_heads:
        scores *= size
    return Cost(scores * (width + value[-1]), SOFTMAX_OPS * scores)


SOFTMAX_OPS = 5  # per element: maximum, subtract, exponential, sum, divide


@rule("aten._softmax", "aten._log_softmax", "aten._safe_softmax")
def softmax(op: Op) -> Cost:
    return Cost(0, SOFTMAX_OPS * op.outputs[0].numel)
