"""Operators of quantised layers: 8-bit weights and, but for dynamic ones, 8-bit activations.

One product of 8-bit numbers is one MAC. Packed weights are recorded as the tensors inside them:
(weight, bias), of a recurrent cell (weight_ih, weight_hh, bias_ih, bias_hh).
"""

from __future__ import annotations

from math import prod

from ..trace.records import Op, TensorSpec
from .costs import Cost, Term, dot_products, in_terms, per_element
from .registry import Trait, free, rule
from .sequences import gates_and_state_ops
from .views import MOVED

_LINEAR = """
    linear linear_relu linear_leaky_relu linear_tanh linear_dynamic linear_relu_dynamic
    linear_dynamic_fp16 linear_relu_dynamic_fp16 linear_with_input_q_dq_qweight_dq_output_fp32
    linear_with_input_q_dq_qweight_dq_relu_output_fp32
"""


@rule(*(f"quantized.{name}" for name in _LINEAR.split()), traits=Trait.PROJECTION)
def linear(op: Op) -> Cost:
    # [*,m] = [*,k] @ [m,k]ᵀ + bias
    return _biased(op, dot_products(op.outputs[0], op.args[0].shape[-1]))


_CONVOLUTIONS = [
    f"quantized.conv{dims}d{kind}"
    for dims in (1, 2, 3)
    for kind in ("", "_relu", "_dynamic", "_add", "_add_relu")
    if dims == 2 or "add" not in kind
]


@rule(*_CONVOLUTIONS, traits=Trait.PROJECTION)
def convolution(op: Op) -> Cost:
    # weight [c_out, c_in/g, …]
    (weight, *_), out = _packed(op), op.outputs[0]
    return _biased(op, dot_products(out, prod(weight.shape[1:])))


@rule(
    *(f"quantized.conv_transpose{dims}d{kind}" for dims in (1, 2, 3) for kind in ("", "_dynamic")),
    traits=Trait.PROJECTION,
)
def transposed_convolution(op: Op) -> Cost:
    # weight [c_in, c_out/g, …]: each element of the input meets those of its channel
    (weight, *_), x = _packed(op), op.args[0]
    return _biased(op, in_terms([Term(x.shape, (prod(weight.shape[1:]),))]))


def _packed(op: Op) -> tuple[TensorSpec, ...]:
    """The tensors of the first packed weights among the arguments."""
    return next(arg for arg in op.args if isinstance(arg, tuple) and arg and _is_weight(arg[0]))


def _is_weight(value: object) -> bool:
    return isinstance(value, TensorSpec) and len(value.shape) > 1


def _biased(op: Op, products: Cost) -> Cost:
    has_bias = len(_packed(op)) > 1
    return products + per_element(op.outputs[0], name="bias") if has_bias else products


@rule("aten.quantized_lstm", "aten.quantized_gru", traits=Trait.PROJECTION)
def recurrent(op: Op) -> Cost:
    # (x [T,N,i] or [N,T,i], states, a cell for each layer and direction, …)
    x, _states, cells = op.args[:3]
    gates, state_ops = gates_and_state_ops(op.name.replace("quantized_", ""))
    examples = x.shape[:2]
    matrices = [weight for cell in cells for weight in cell[:2]]
    products = [Term((*examples, *weight.shape)) for weight in matrices]
    hidden = [Term((*examples, cell[1].shape[1]), (4 * gates + state_ops,)) for cell in cells]
    return in_terms(products, hidden)


_CELLS = {"lstm_cell": "aten.lstm", "gru_cell": "aten.gru", "rnn_tanh_cell": "aten.rnn_tanh",
          "rnn_relu_cell": "aten.rnn_relu"}  # fmt: skip


@rule(*(f"quantized.quantized_{name}_dynamic" for name in _CELLS), traits=Trait.PROJECTION)
def cell(op: Op) -> Cost:
    # (x [N,i], states, W_x, W_h, biases)
    x, (by_input, *_), (by_state, *_) = op.args[0], *op.args[2:4]
    name = op.name.removeprefix("quantized.quantized_").removesuffix("_dynamic")
    gates, state_ops = gates_and_state_ops(_CELLS[name])
    products = [Term((x.shape[0], *weight.shape)) for weight in (by_input, by_state)]
    return in_terms(products, [Term((x.shape[0], by_state.shape[1]), (4 * gates + state_ops,))])


@rule(
    *(f"quantized.embedding_bag_{kind}" for kind in ("byte", "4bit")),
    traits=Trait.LOOKUP,
)
def embedding_bag(op: Op) -> Cost:
    # (packed table, indices, …): each element that is read is scaled, shifted and added
    indices = op.args[1]
    return in_terms(operations=[Term((indices.numel, op.outputs[0].shape[-1]), (3,))])


@rule(*(f"quantized.embedding_{kind}" for kind in ("byte", "4bit")), traits=Trait.LOOKUP)
def embedding(op: Op) -> Cost:
    return per_element(op.outputs[0], 2)  # scaled and shifted


@rule(
    "aten.quantize_per_tensor", "aten.quantize_per_channel", "aten.quantize_per_tensor_dynamic",
    "aten.fake_quantize_per_tensor_affine",
    "aten.fake_quantize_per_channel_affine",
    "aten.fake_quantize_per_tensor_affine_cachemask",
    "aten.fake_quantize_per_channel_affine_cachemask",
    "aten._fake_quantize_per_tensor_affine_cachemask_tensor_qparams",
    "aten._fake_quantize_learnable_per_tensor_affine",
    "aten._fake_quantize_learnable_per_channel_affine",
    traits=Trait.ELEMENTWISE,
)  # fmt: skip
def quantize(op: Op) -> Cost:
    # divide, round and shift
    return per_element(op.outputs[0], 3)


@rule("aten.dequantize", traits=Trait.ELEMENTWISE)  # shift and scale
def dequantize(op: Op) -> Cost:
    return per_element(op.outputs[0], 2)


@rule("aten._fused_moving_avg_obs_fq_helper", traits=Trait.REDUCTION)
def observe_and_quantize(op: Op) -> Cost:
    # the smallest and the largest element, then as above
    return per_element(op.outputs[0], 5)


@rule(
    *(f"quantized.{name}" for name in ("add", "add_relu", "mul", "mul_relu", "add_scalar",
      "mul_scalar", "relu6", "leaky_relu", "hardswish", "sigmoid", "elu", "celu", "prelu",
      "batch_norm1d", "batch_norm2d", "batch_norm3d", "batch_norm_relu", "batch_norm2d_relu",
      "batch_norm3d_relu")),
    traits=Trait.ELEMENTWISE,
)  # fmt: skip
def per_output(op: Op) -> Cost:
    return per_element(op.outputs[0])


free(MOVED, "quantized.cat", "quantized.cat_relu", "aten.int_repr", traits=Trait.COPIES)
free(
    "asks about a tensor",
    "aten.q_scale", "aten.q_zero_point", "aten.q_per_channel_scales",
    "aten.q_per_channel_zero_points", "aten.q_per_channel_axis", "aten.qscheme",
    traits=Trait.QUERY,
)  # fmt: skip
free(
    "a tensor is made",
    "aten._empty_affine_quantized", "aten._empty_per_channel_affine_quantized",
    "aten._make_per_tensor_quantized_tensor", "aten._make_per_channel_quantized_tensor",
    traits=Trait.CREATES,
)  # fmt: skip
