"""Operators of ONNX without a counterpart in ATen, as `onnx.NAME`.

The others are recorded under ATen's names (`models/onnx/translators.py`), those of ONNX Runtime are
in `onnx_runtime.py`. Operators listed nowhere
(NonMaxSuppression, TopK, Loop, …) are uncounted.
"""

from __future__ import annotations

from math import prod

from ..trace.records import Op, TensorSpec
from .costs import Cost, Term, dot_products, in_terms, per_element
from .registry import Trait, free, rule
from .sequences import attention_cost


@rule("onnx.LSTM", "onnx.GRU", "onnx.RNN")
def recurrent(op: Op) -> Cost:
    # per step and direction: gates[g·h] = W[g·h,i] · x[i] + R[g·h,h] · h[h] + two biases
    # X [T,N,i] ([N,T,i] with layout 1), W [directions,g·h,i], R [directions,g·h,h]
    x, weight, recurrence = op.args[:3]
    directions, rows, width = weight.shape
    hidden = recurrence.shape[-1]
    biases = 2 if len(op.args) > 3 and op.args[3] is not None else 0
    # the sum of both products, the biases, an activation; then the update of the state
    on_state = {"onnx.LSTM": 5, "onnx.GRU": 4, "onnx.RNN": 0}[op.name]
    states = (x.shape[0], directions, x.shape[1], hidden)
    gates = rows // hidden
    products = Term(states, (gates * (width + hidden),))
    return in_terms([products], [Term(states, ((2 + biases) * gates + on_state,))])


@rule("onnx.Attention")
def attention(op: Op) -> Cost:
    # softmax(Q Kᵀ) V, each query head counted; Q [b,h,q,d] or [b,q,h·d], likewise K and V
    query, key, value = op.args[:3]
    past = op.args[4] if len(op.args) > 4 else None
    heads = int(op.kwargs.get("q_num_heads", op.kwargs.get("num_heads", 1)))
    if len(query.shape) == 4:
        batch, heads, queries, width = query.shape
        keys, value_width = key.shape[-2], value.shape[-1]
    else:
        batch, queries, joined = query.shape
        width = joined // heads
        keys = key.shape[1]
        kv_heads = int(op.kwargs.get("kv_num_heads", heads))
        value_width = value.shape[-1] // kv_heads
    if isinstance(past, TensorSpec):
        keys += past.shape[-2]
    return attention_cost((batch, heads, queries, keys), width + value_width)


@rule("onnx.DeformConv")  # as torchvision.deform_conv2d
def deformable_convolution(op: Op) -> Cost:
    out = op.outputs[0]
    products = dot_products(out, prod(op.args[1].shape[1:]))
    if len(op.args) <= 3 or op.args[3] is None:
        return products
    return products + per_element(out, name="bias")


@rule("onnx.LRN", traits=Trait.NORM)
def local_response_norm(op: Op) -> Cost:
    # square, sum over `size` channels, scale, shift, power, divide
    return per_element(op.outputs[0], 5 + int(op.kwargs["size"]))


@rule("onnx.LpNormalization", traits=Trait.NORM)  # a power, a sum, a division
def lp_normalization(op: Op) -> Cost:
    return per_element(op.outputs[0], 3)


@rule("onnx.MeanVarianceNormalization", traits=Trait.NORM)  # a norm without learnt parameters
def mean_variance_normalization(op: Op) -> Cost:
    return per_element(op.outputs[0], 4)


@rule("onnx.QuantizeLinear", traits=Trait.ELEMENTWISE)  # divide, round and shift
def quantize(op: Op) -> Cost:
    return per_element(op.outputs[0], 3)


@rule("onnx.RotaryEmbedding")  # two products and their sum
def rotary_embedding(op: Op) -> Cost:
    return per_element(op.outputs[0], 3)


@rule("onnx.DequantizeLinear", traits=Trait.ELEMENTWISE)  # shift and scale
def two_per_output(op: Op) -> Cost:
    return per_element(op.outputs[0], 2)


@rule("onnx.DynamicQuantizeLinear", traits=Trait.REDUCTION)
def dynamic_quantize(op: Op) -> Cost:
    # the smallest and the largest element, then as above
    return per_element(op.outputs[0], 5)


@rule("onnx.Asinh", "onnx.Acosh", "onnx.Atanh", "onnx.BitShift", traits=Trait.ELEMENTWISE)
def one_per_element(op: Op) -> Cost:
    return per_element(op.inputs[0])


rule("onnx.Hardmax", traits=Trait.REDUCTION)(one_per_element)
rule("onnx.NonZero", traits=Trait.SEARCHES)(one_per_element)


@rule("onnx.Softsign", traits=Trait.ELEMENTWISE)  # x / (1 + |x|)
def softsign(op: Op) -> Cost:
    return per_element(op.outputs[0], 3)


@rule("onnx.LpPool")  # likewise for each element of a window
def lp_pool(op: Op) -> Cost:
    return per_element(op.outputs[0], 2 * prod(op.kwargs["kernel_shape"]))


@rule("onnx.SwiGLU")  # x · sigmoid(x) · gate
def swiglu(op: Op) -> Cost:
    return per_element(op.outputs[0], 2)


@rule("onnx.GlobalLpPool", traits=Trait.REDUCTION)  # a power and a sum for each element read
def global_lp_pool(op: Op) -> Cost:
    return per_element(op.inputs[0], 2)


free(
    "layout or copies: nothing is computed",
    "onnx.Reshape", "onnx.Flatten", "onnx.Transpose", "onnx.Squeeze", "onnx.Unsqueeze",
    "onnx.Identity", "onnx.Expand", "onnx.Slice", "onnx.Split", "onnx.Concat", "onnx.Pad",
    "onnx.Tile", "onnx.Cast", "onnx.CastLike", "onnx.BitCast", "onnx.Dropout", "onnx.Trilu",
    "onnx.DepthToSpace", "onnx.SpaceToDepth", "onnx.ReverseSequence", "onnx.CenterCropPad",
    traits=Trait.COPIES,
)  # fmt: skip

free(
    "a look-up: values are read or written by their index",
    "onnx.Gather", "onnx.GatherElements", "onnx.GatherND", "onnx.Compress", "onnx.MaxUnpool",
    "onnx.TensorScatter", "onnx.OneHot",
    traits=Trait.COPIES,
)  # fmt: skip

free(
    "a tensor is made",
    "onnx.ConstantOfShape", "onnx.Range", "onnx.EyeLike", "onnx.RandomNormal",
    "onnx.RandomNormalLike", "onnx.RandomUniform", "onnx.RandomUniformLike", "onnx.Bernoulli",
    traits=Trait.CREATES,
)  # fmt: skip

free(
    "asks about a tensor, or keeps it in a list",
    "onnx.Shape", "onnx.Size", "onnx.SequenceAt", "onnx.SequenceConstruct", "onnx.SequenceEmpty",
    "onnx.SequenceErase", "onnx.SequenceInsert", "onnx.SequenceLength", "onnx.SplitToSequence",
    "onnx.ConcatFromSequence", "onnx.Optional", "onnx.OptionalGetElement",
    "onnx.OptionalHasElement",
    traits=Trait.QUERY,
)  # fmt: skip

free(
    "made from weights alone: once, before the model runs",
    "onnx.constant",
    traits=Trait.CREATES,
)  # fmt: skip


@rule("onnx.ScatterND", "onnx.ScatterElements", "onnx.Scatter", traits=Trait.COPIES)
def scatter(op: Op) -> Cost:
    # values are written by their index, and with a reduction combined with those in place
    return per_element(op.args[2]) if op.kwargs.get("reduction", "none") != "none" else Cost()
