"""Operators that do so much per element: of the output, or of the input if they reduce it."""

from __future__ import annotations

from typing import Any

from ..trace.records import Op, TensorSpec
from .costs import Cost, per_element
from .registry import Trait, rule


@rule(
    # activations
    "aten.relu", "aten.relu6", "aten.leaky_relu", "aten.prelu", "aten._prelu_kernel", "aten.elu",
    "aten.celu", "aten.selu", "aten.gelu", "aten.silu", "aten.mish", "aten.hardtanh",
    "aten.hardswish", "aten.hardsigmoid", "aten.softplus", "aten.softshrink", "aten.hardshrink",
    "aten.sigmoid", "aten.tanh", "aten.log_sigmoid_forward", "aten.threshold", "aten.rrelu",
    # arithmetic
    "aten.add", "aten.sub", "aten.rsub", "aten.mul", "aten.div", "aten.neg", "aten.abs", "aten.pow",
    "aten.square", "aten.sqrt", "aten.rsqrt", "aten.reciprocal", "aten.exp", "aten.exp2",
    "aten.expm1", "aten.log", "aten.log2", "aten.log10", "aten.log1p", "aten.sin", "aten.cos",
    "aten.tan", "aten.atan", "aten.atan2", "aten.asin", "aten.acos", "aten.sinh", "aten.cosh",
    "aten.erf", "aten.erfc", "aten.sign", "aten.sgn", "aten.floor", "aten.ceil", "aten.round",
    "aten.trunc", "aten.frac", "aten.remainder", "aten.fmod", "aten.floor_divide", "aten.clamp",
    "aten.clamp_min", "aten.clamp_max", "aten.maximum", "aten.minimum", "aten.lerp", "aten.hypot",
    "aten.erfinv", "aten.nan_to_num",
    # comparison and choice
    "aten.eq", "aten.ne", "aten.lt", "aten.le", "aten.gt", "aten.ge", "aten.where",
    "aten.masked_fill", "aten.isnan", "aten.isinf", "aten.isfinite", "aten.logical_and",
    "aten.logical_or", "aten.logical_not", "aten.logical_xor", "aten.bitwise_and",
    "aten.bitwise_or", "aten.bitwise_not", "aten.bitwise_xor",
    # dropout while training multiplies by a scaled mask
    "aten.native_dropout",
    traits=Trait.ELEMENTWISE,
)  # fmt: skip
def per_output(op: Op) -> Cost:
    return per_element(op.outputs[0])


# One operation per output element too, but from elements at other positions: the gate of a glu is
# the other half of its input, and nothing is accumulated in a product of two vectors.
rule("aten.glu", "aten.outer", "aten.ger")(per_output)


@rule("aten.cumsum", "aten.cumprod", traits=Trait.REDUCTION)
def scan(op: Op) -> Cost:
    # an output element is the one before and one input
    return per_element(op.outputs[0])


@rule("aten.addcmul", "aten.addcdiv", traits=Trait.ELEMENTWISE)  # out = x + value · a · b
def two_per_output(op: Op) -> Cost:
    return per_element(op.outputs[0], 2)


@rule(
    "aten.prod", "aten.max", "aten.min", "aten.argmax", "aten.argmin", "aten.logsumexp", "aten.all",
    "aten.any", "aten.nansum", "aten.histc", "aten._is_all_true",
    traits=Trait.REDUCTION,
)  # fmt: skip
def per_input(op: Op) -> Cost:
    # max and min of two tensors are elementwise; a reduction reads its whole input
    return per_larger(op.inputs[0], op.outputs[0])


def per_larger(x: TensorSpec, out: TensorSpec) -> Cost:
    """The cost of one operation per element of the larger tensor."""
    before, after = x.numel, out.numel
    if isinstance(before, int) and isinstance(after, int):
        return per_element(x if before > after else out)
    from ..symbols.evaluation import greatest  # a plain run has no symbolic sizes

    number: Any = greatest(before, after)
    return Cost(0, number)


@rule("aten.mse_loss", traits=Trait.REDUCTION)  # subtract, square, sum
def squared_error(op: Op) -> Cost:
    return per_element(op.args[0], 3)


@rule("aten.nll_loss_forward", "aten.nll_loss2d_forward", traits=Trait.REDUCTION)
def negative_log_likelihood(op: Op) -> Cost:
    # (x, target, …): one of each row, summed
    return per_element(op.args[1])


@rule("aten.index_add", "aten.scatter_add", traits=Trait.REDUCTION)
def indexed_add(op: Op) -> Cost:
    # (x, dim, index, source): each element is added once
    return per_element(op.args[3])


@rule("aten._weight_norm_interface", traits=Trait.REDUCTION)
def weight_norm(op: Op) -> Cost:
    # w = v · g / ‖v‖: a square, a sum and a product each
    return per_element(op.inputs[0], 3)


@rule("aten.var", "aten.std", "aten.var_mean", "aten.std_mean", "aten.norm",
      "aten.linalg_vector_norm", traits=Trait.REDUCTION)  # fmt: skip
def two_per_input(op: Op) -> Cost:
    # a square and a sum for each element; the mean of a variance is one more
    each = 2 if "norm" in op.name else 3
    return per_element(op.inputs[0], each)
