"""Operators that autograd runs for gradients.

A product of the forward pass becomes one product for the gradient of each operand that requires
one, each with as many MACs. Other operations are counted as in the forward pass: one per elementary
operation on one element, the derivative of an activation being one. The gradients of convolutions
and pools with a view are in the files of those.
"""

from __future__ import annotations

from functools import partial
from math import prod

from ..trace.records import Op, TensorSpec
from . import registry
from .costs import Cost, per_element
from .reductions import TARGETS_OF_EACH_ROW
from .registry import Trait, free
from .sequences import SOFTMAX_OPS

rule = partial(registry.rule, traits=Trait.BACKWARD)


@rule(
    "aten._scaled_dot_product_flash_attention_backward",
    "aten._scaled_dot_product_flash_attention_for_cpu_backward",
    "aten._scaled_dot_product_efficient_attention_backward",
    "aten._scaled_dot_product_cudnn_attention_backward",
    "aten._scaled_dot_product_fused_attention_overrideable_backward",
)
def scaled_dot_product_attention_backward(op: Op) -> Cost:
    # (dy, q, k, v, …) on [b,h,·,d]: the scores were not saved, q·kᵀ is computed again;
    # dv = pᵀ·dy, dp = dy·vᵀ, dq = ds·k, dk = dsᵀ·q
    query, key, value = (tensor.shape for tensor in op.args[1:4])
    scores = prod(query[:-1]) * key[-2]
    products = scores * (3 * query[-1] + 2 * value[-1])
    return Cost(products, (SOFTMAX_OPS + _SOFTMAX_BACKWARD_OPS) * scores)


@rule("aten.linear_backward")  # (x, dy, w, mask): dx = dy·w, dw = dyᵀ·x, db = Σ dy
def linear_backward(op: Op) -> Cost:
    x, gradient, _, mask = op.args
    return Cost(x.shape[-1] * gradient.numel * (mask[0] + mask[1]), mask[2] * gradient.numel)


@rule("aten.matmul_backward")  # (dy, a, b, mask): da = dy·bᵀ, db = aᵀ·dy
def matmul_backward(op: Op) -> Cost:
    gradient, a, _, mask = op.args
    return Cost(a.shape[-1] * gradient.numel * sum(mask))


@rule("aten.mkldnn_rnn_layer_backward")  # (x [T,N,i], W_x [g·h,i], W_h [g·h,h], …), all gradients
def mkldnn_rnn_layer_backward(op: Op) -> Cost:
    x, input_weight, hidden_weight = op.args[:3]
    steps, batch, gates = x.shape[0], x.shape[1], input_weight.shape[0]
    # per gate element its bias twice and its activation's derivative times the gradient; per
    # element of the state twice the operations of the forward pass
    elementwise = steps * batch * (4 * gates + 10 * hidden_weight.shape[1])
    products = 2 * steps * batch * (input_weight.numel + hidden_weight.numel)
    return Cost(products, elementwise)


_SOFTMAX_BACKWARD_OPS = 4  # dx = y · (dy - Σ dy·y); of its logarithm, dy - exp(y) · Σ dy


@rule("aten._softmax_backward_data", "aten._log_softmax_backward_data")
def softmax_backward(op: Op) -> Cost:
    return per_element(op.outputs[0], _SOFTMAX_BACKWARD_OPS)


# Normalisations, y = w·x̂ + b with x̂ = (x - mean)·r: x̂ takes 2 operations an element, db = Σ dy
# takes 1, dw = Σ dy·x̂ takes 2 more.


@rule("aten.native_batch_norm_backward", "aten.batch_norm_backward")
def native_batch_norm_backward(op: Op) -> Cost:
    # (dy, x, w, mean, var, saved mean, saved r, training, eps, mask)
    training, mask = op.args[7], op.args[9]
    # training: dx = w·r · (dy - db/m - x̂·dw/m) takes 4, and both sums in any case
    # with fixed statistics: dx = w·r · dy
    in_training, fixed = 5 + 4 * mask[0], mask[0] + 4 * mask[1] + mask[2]
    return per_element(op.args[0], in_training if training else fixed)


@rule("aten.cudnn_batch_norm_backward", "aten.miopen_batch_norm_backward")  # training, all three
def batch_norm_training_backward(op: Op) -> Cost:
    return per_element(op.args[0], 9)


@rule("aten.native_layer_norm_backward")  # (dy, x, shape, mean, r, w, b, mask)
def native_layer_norm_backward(op: Op) -> Cost:
    return _norm_backward(op, weight=op.args[5], mask=op.args[7])


@rule("aten.native_group_norm_backward")  # (dy, x, mean, r, w, N, C, H·W, groups, mask)
def native_group_norm_backward(op: Op) -> Cost:
    return _norm_backward(op, weight=op.args[4], mask=op.args[9])


def _norm_backward(op: Op, weight: TensorSpec | None, mask: tuple[bool, ...]) -> Cost:
    # g = w·dy, dx = r · (g - Σg/m - x̂·Σ(g·x̂)/m): these sums run over other axes than dw and db
    each = 2 + mask[0] * (7 + (weight is not None)) + 2 * mask[1] + mask[2]
    return per_element(op.args[0], each)


@rule("aten._fused_rms_norm_backward")  # (dy, x, shape, r, w, mask), x̂ = x·r
def fused_rms_norm_backward(op: Op) -> Cost:
    # g = w·dy, dx = r · (g - x̂·Σ(g·x̂)/m), dw = Σ dy·x̂
    weight, mask = op.args[4], op.args[5]
    each = 1 + mask[0] * (5 + (weight is not None)) + 2 * mask[1]
    return per_element(op.args[0], each)


@rule("aten._weight_norm_interface_backward")  # dv = g/‖v‖ · (dw - v · Σ(dw·v)/‖v‖²)
def weight_norm_backward(op: Op) -> Cost:
    return per_element(op.args[0], 5)


@rule(
    "aten.threshold_backward", "aten.leaky_relu_backward", "aten.elu_backward",
    "aten.gelu_backward", "aten.silu_backward", "aten.mish_backward", "aten.hardtanh_backward",
    "aten.hardswish_backward", "aten.hardsigmoid_backward", "aten.softplus_backward",
    "aten.softshrink_backward", "aten.hardshrink_backward", "aten.sigmoid_backward",
    "aten.tanh_backward", "aten.log_sigmoid_backward", "aten.rrelu_with_noise_backward",
    "aten.glu_backward", "aten.logit_backward", "aten._prelu_kernel_backward",
    "aten.native_dropout_backward",
)  # fmt: skip
def per_gradient(op: Op) -> Cost:
    return Cost(0, sum(gradient.numel for gradient in op.outputs))


@rule(
    "aten.max_pool2d_with_indices_backward", "aten.max_pool3d_with_indices_backward",
    "aten.adaptive_max_pool2d_backward", "aten.adaptive_max_pool3d_backward",
    "aten.fractional_max_pool2d_backward", "aten.fractional_max_pool3d_backward",
    "aten.reflection_pad1d_backward", "aten.reflection_pad2d_backward",
    "aten.reflection_pad3d_backward", "aten.replication_pad1d_backward",
    "aten.replication_pad2d_backward", "aten.replication_pad3d_backward",
    "aten.upsample_nearest1d_backward", "aten.upsample_nearest2d_backward",
    "aten.upsample_nearest3d_backward", "aten._upsample_nearest_exact1d_backward",
    "aten._upsample_nearest_exact2d_backward", "aten._upsample_nearest_exact3d_backward",
    "aten.embedding_dense_backward", "aten._embedding_bag_dense_backward", "aten.unfold_backward",
)  # fmt: skip
def added_once(op: Op) -> Cost:
    # each element of the gradient is added to that of the element that was read
    return per_element(op.args[0])


@rule("aten.nll_loss_backward", "aten.nll_loss2d_backward")  # (dy, x, target, …)
def negative_log_likelihood_backward(op: Op) -> Cost:
    return per_element(op.args[2])


# Operations per element of the gradient of a loss, from (dy, x, target, …).
_LOSSES = {
    "aten.mse_loss_backward": 3,  # subtract, times 2/n, times dy
    "aten.smooth_l1_loss_backward": 4,  # subtract, compare, scale, times dy
    "aten.huber_loss_backward": 4,
    "aten.binary_cross_entropy_backward": 5,  # dy · (x - t) / (x · (1 - x))
    "aten.soft_margin_loss_backward": 5,  # -dy · t · z / (1 + z), z = exp(-t · x)
    "aten.multi_margin_loss_backward": 3,  # compare, a sum for the class, times dy
}


@registry.rule("aten.multilabel_margin_loss_backward", traits=Trait.BACKWARD | Trait.SEARCHES)
def multilabel_margin_loss_backward(op: Op) -> Cost:
    return Cost(left_out=TARGETS_OF_EACH_ROW)


@rule(*_LOSSES)
def loss_backward(op: Op) -> Cost:
    return per_element(op.args[1], _LOSSES[op.name])


@rule("aten._ctc_loss_backward")  # (dy, log probabilities [T,N,C], targets, …)
def connectionist_temporal_classification_backward(op: Op) -> Cost:
    # the states once more, from the end, and their sum for each class
    log_probabilities, targets = op.args[1:3]
    steps, batch, _ = log_probabilities.shape
    return Cost(0, steps * (2 * targets.numel + batch) * (8 + 3) + 3 * log_probabilities.numel)


@rule("aten._cdist_backward")  # (dy, x, y, p, distances): dx = Σ dy · (x - y) / d
def cdist_backward(op: Op) -> Cost:
    return per_element(op.args[4], 3 * op.args[1].shape[-1] + 1)


@rule("aten._pdist_backward")  # (dy, x, p, distances), for both rows of a pair
def pdist_backward(op: Op) -> Cost:
    return per_element(op.args[3], 4 * op.args[1].shape[-1] + 1)


@rule("aten._embedding_bag_backward", "aten._embedding_bag_sparse_backward")
def embedding_bag_backward(op: Op) -> Cost:
    # (dy [bags,E], indices, …): the gradient of a bag is added to each row that it read
    gradient, indices = op.args[:2]
    return Cost(0, indices.numel * gradient.shape[-1])


@rule("aten._embedding_bag_per_sample_weights_backward")
def embedding_bag_weights_backward(op: Op) -> Cost:
    # (dy [bags,E], table, indices, …): a product and a sum for each element that was read
    gradient, _table, indices = op.args[:3]
    return Cost(0, 2 * indices.numel * gradient.shape[-1])


@rule("aten._segment_reduce_backward")  # (dy, y, x, …)
def segment_reduce_backward(op: Op) -> Cost:
    return per_element(op.args[2])


@rule("aten.grid_sampler_2d_backward", "aten.grid_sampler_3d_backward")
def grid_sampler_backward(op: Op) -> Cost:
    # (dy, x, grid, interpolation, padding, align, mask): four for x, four for the grid
    mask = op.args[6]
    return per_element(op.args[0], 4 * (mask[0] + mask[1]))


free(
    "data moves, nothing is computed: the gradient of a part among zeros",
    "aten.select_backward", "aten.slice_backward", "aten.diagonal_backward",
    "aten.masked_scatter_backward",
    traits=Trait.COPIES | Trait.BACKWARD,
)  # fmt: skip

free(
    "a sparse gradient: its parts as they are",
    "aten._sparse_coo_tensor_with_dims_and_tensors", "aten._indices", "aten._values",
    traits=Trait.COPIES,
)  # fmt: skip
