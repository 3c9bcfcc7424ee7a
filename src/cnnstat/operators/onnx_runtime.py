"""Operators that ONNX Runtime adds (domain com.microsoft), as `onnx.com.microsoft.NAME`.

Those that ATen has are recorded under ATen's names (`models/onnx/translators.py`).
"""

from __future__ import annotations

from math import prod

from ..trace.records import Op, TensorSpec
from .costs import Cost, Term, dot_products, in_terms, per_element
from .registry import Trait, free, rule
from .sequences import attention_cost, gates_and_state_ops

_DOMAIN = "onnx.com.microsoft"


def _has(op: Op, place: int) -> bool:
    return len(op.args) > place and isinstance(op.args[place], TensorSpec)


# Attention

_PAST = {f"{_DOMAIN}.Attention": 4, f"{_DOMAIN}.QAttention": 8}


@rule(*_PAST)
def attention_with_projection(op: Op) -> Cost:
    # (x [b,s,i], weights [i,q+k+v], bias, …, past [2,b,h,s,d]), then attention over its heads
    x, weight = op.args[:2]
    batch, length, width = x.shape
    joined, past = weight.shape[1], _PAST[op.name]
    heads = int(op.kwargs.get("num_heads", 1))
    sizes = op.kwargs.get("qkv_hidden_sizes") or (joined // 3,) * 3
    keys = length + (op.args[past].shape[3] if _has(op, past) else 0)
    projected = (batch, length, joined)
    biased = [Term(projected, name="bias")] * _has(op, 2)
    projection = in_terms([Term(projected, (width,))], biased)
    return projection + attention_cost((batch, heads, length, keys), (sizes[0] + sizes[2]) // heads)


_MULTI_HEAD = {  # the places of the bias and of the past keys [b,h,s,d]
    f"{_DOMAIN}.MultiHeadAttention": (3, 6),
    f"{_DOMAIN}.DecoderMaskedMultiHeadAttention": (10, 5),
}


@rule(*_MULTI_HEAD)
def multi_head_attention(op: Op) -> Cost:
    # queries [b,s,h·d] or packed [b,s,h,3,d]; keys [b,l,h·d], [b,h,l,d] or packed [b,l,h,2,d]
    query = op.args[0].shape
    heads = int(op.kwargs.get("num_heads", 1))
    width = query[-1] if len(query) == 5 else query[-1] // heads
    value_width = op.outputs[0].shape[-1] // heads
    keys, projected = query[1], prod(query)
    if len(query) == 3 and _has(op, 1):
        key = op.args[1]
        keys = key.shape[2 if len(key.shape) == 4 else 1]
        projected += sum(op.args[place].numel for place in (1, 2) if _has(op, place))
    bias, past = _MULTI_HEAD[op.name]
    if _has(op, past):
        keys += op.args[past].shape[2]
    added = in_terms(operations=[Term((projected,), name="bias")] * _has(op, bias))
    return added + attention_cost((query[0], heads, query[1], keys), width + value_width)


@rule(f"{_DOMAIN}.GroupQueryAttention")
def grouped_query_attention(op: Op) -> Cost:
    # (queries [b,s,h·d], keys [b,s,kv·d], values, past [b,kv,s,d], …), each query head counted;
    # without keys, queries, keys and values are in the first operand
    query = op.args[0].shape
    heads, shared = (int(op.kwargs.get(name, 1)) for name in ("num_heads", "kv_num_heads"))
    width = op.outputs[0].shape[-1] // heads
    batch, length = query[:2]
    keys = length + (op.args[3].shape[2] if _has(op, 3) else 0)
    cost = attention_cost((batch, heads, length, keys), 2 * width)
    if op.kwargs.get("do_rotary", 0):  # two products and their sum, of queries and keys
        turned = Term((batch, length, heads + shared, width), (3,), name="rotary")
        cost += in_terms(operations=[turned])
    return cost


@rule(f"{_DOMAIN}.RotaryEmbedding")  # two products and their sum
def rotary_embedding(op: Op) -> Cost:
    return per_element(op.outputs[0], 3)


# Products

_BATCH = "transBatchA"


@rule(f"{_DOMAIN}.FusedMatMul", f"{_DOMAIN}.TransposeMatMul", f"{_DOMAIN}.FusedMatMulActivation",
      f"{_DOMAIN}.FusedGemm")  # fmt: skip
def fused_product(op: Op) -> Cost:
    a, out = op.args[0].shape, op.outputs[0]
    if op.kwargs.get(_BATCH, 0):
        a = (*a[1:-1], a[0], a[-1])
    products = dot_products(out, a[-2] if op.kwargs.get("transA", 0) else a[-1])
    each = op.name.endswith("Activation") + op.name.endswith("Gemm") * (1 + _has(op, 2))
    return products + per_element(out, each) if each else products  # an activation, and a bias


# The place of the bias of products with quantised weights.
_BIASES = {
    f"{_DOMAIN}.MatMulNBits": 5,
    f"{_DOMAIN}.MatMulBnb4": 9,  # none
    f"{_DOMAIN}.DynamicQuantizeMatMul": 4,
    f"{_DOMAIN}.MatMulIntegerToFloat": 6,
}


@rule(*_BIASES, traits=Trait.PROJECTION)
def quantised_product(op: Op) -> Cost:
    # [*,n] = [*,k] @ [k,n]: weights may be packed, so that their shape is not [k,n]
    products = dot_products(op.outputs[0], op.args[0].shape[-1])
    return products + per_element(op.outputs[0], name="bias") if _has(op, _BIASES[op.name]) \
        else products  # fmt: skip


_EXPERTS = {  # the places of the weights of all experts, [experts, …, …]
    f"{_DOMAIN}.MoE": (2, 4, 6),
    f"{_DOMAIN}.QMoE": (2, 5, 8),
}


@rule(*_EXPERTS, traits=Trait.PROJECTION)
def experts(op: Op) -> Cost:
    # each token meets the weights of k experts; of quantised ones several may be in one byte
    x = op.args[0]
    tokens, k = prod(x.shape[:-1]), int(op.kwargs.get("k", 1))
    in_byte = 1
    if op.name.endswith("QMoE"):
        in_byte = 8 // int(op.kwargs.get("expert_weight_bits", 4))
    weights = [op.args[place] for place in _EXPERTS[op.name] if _has(op, place)]
    products = [Term((tokens, k, in_byte * prod(weight.shape[1:]))) for weight in weights]
    inner = in_byte * prod(weights[1].shape[1:]) // x.shape[-1]  # of the second layer
    mixed = Term((tokens, x.shape[-1]), (2 * k,), name="sum of experts")
    return in_terms(products, [Term((tokens, k, inner), name="activation"), mixed])


@rule(f"{_DOMAIN}.DynamicQuantizeLSTM", traits=Trait.PROJECTION)
def quantised_lstm(op: Op) -> Cost:
    # x [t,b,i], W [directions,i,4·h], R [directions,h,4·h]
    x, weight, recurrence = op.args[:3]
    hidden = recurrence.shape[1]
    gates, state_ops = gates_and_state_ops("aten.lstm")
    states = (x.shape[0], weight.shape[0], x.shape[1], hidden)
    products = Term(states, (gates * (x.shape[2] + hidden),))
    biases = 2 * _has(op, 3)
    return in_terms([products], [Term(states, ((2 + biases) * gates + state_ops,))])


@rule(f"{_DOMAIN}.CDist")  # a MAC for each difference and its square, as of torch.cdist
def distances(op: Op) -> Cost:
    out, width = op.outputs[0], op.args[0].shape[-1]
    return dot_products(out, width) + per_element(out, width + 1)


@rule(f"{_DOMAIN}.Inverse")  # as torch.linalg.inv
def inverse(op: Op) -> Cost:
    return per_element(op.outputs[0], 2 * op.outputs[0].shape[-1])


# Norms


@rule(f"{_DOMAIN}.SkipLayerNormalization", f"{_DOMAIN}.SkipSimplifiedLayerNormalization",
      traits=Trait.NORM)  # fmt: skip
def skip_layer_norm(op: Op) -> Cost:
    # a sum, or two with a bias, then a norm of 5 per element
    biased = _has(op, 3 if "Simplified" in op.name else 4)
    return per_element(op.args[0], 6 + biased)


@rule(f"{_DOMAIN}.GroupNorm", f"{_DOMAIN}.SkipGroupNorm", traits=Trait.NORM)
def group_norm(op: Op) -> Cost:
    # sums of the operands, a norm of 5 per element, an activation
    sums = sum(_has(op, place) for place in (3, 4))
    return per_element(op.args[0], 5 + sums + bool(op.kwargs.get("activation", 0)))


@rule(f"{_DOMAIN}.EmbedLayerNormalization", f"{_DOMAIN}.QEmbedLayerNormalization")
def embeddings(op: Op) -> Cost:
    # the sum of rows of two or three tables, then a norm; a row of integers is scaled and shifted
    rows = 3 if _has(op, 4) else 2
    each = 2 * rows if op.name.endswith("QEmbedLayerNormalization") else 0
    return per_element(op.outputs[0], rows - 1 + 5 + each)


# Elementwise


@rule(f"{_DOMAIN}.BiasGelu", f"{_DOMAIN}.FastGelu", traits=Trait.ELEMENTWISE)
def bias_gelu(op: Op) -> Cost:
    return per_element(op.outputs[0], len(op.inputs))


@rule(f"{_DOMAIN}.BiasSplitGelu")  # a bias of both halves, the activation of one, their product
def gated_gelu(op: Op) -> Cost:
    return per_element(op.outputs[0], 4)


@rule(f"{_DOMAIN}.SwiGLU", f"{_DOMAIN}.ScaledSiLU")  # x · sigmoid(x) · gate
def gated_swish(op: Op) -> Cost:
    return per_element(op.outputs[0], 2)


@rule(f"{_DOMAIN}.BiasAdd", traits=Trait.ELEMENTWISE)  # x + bias + skip
def two_sums(op: Op) -> Cost:
    return per_element(op.outputs[0], 2)


@rule(f"{_DOMAIN}.ComplexMul", f"{_DOMAIN}.ComplexMulConj", traits=Trait.ELEMENTWISE)
def complex_product(op: Op) -> Cost:
    # real and imaginary parts along the last axis: two products and a sum for each
    return per_element(op.outputs[0], 3)


@rule(f"{_DOMAIN}.QuantizeLinear", traits=Trait.ELEMENTWISE)  # divide, round and shift
def quantize(op: Op) -> Cost:
    return per_element(op.outputs[0], 3)


@rule(f"{_DOMAIN}.DequantizeLinear", traits=Trait.ELEMENTWISE)  # shift and scale
def dequantize(op: Op) -> Cost:
    return per_element(op.outputs[0], 2)


@rule(f"{_DOMAIN}.GatherBlockQuantized", traits=Trait.LOOKUP)  # rows that are shifted and scaled
def packed_rows(op: Op) -> Cost:
    return per_element(op.outputs[0], 2)


free("layout or copies: nothing is computed", f"{_DOMAIN}.Trilu", traits=Trait.COPIES)
