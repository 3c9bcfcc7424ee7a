"""What an ONNX node does, in the operators that the rules are written for.

Where ATen has the operator, it is noted under ATen's name with ATen's arguments, so that costs,
receptive fields and configurations are those of an eager model. What ATen lacks keeps its own
name, `onnx.LSTM`, and has a rule in `operators/onnx.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...operators.registry import reason_free
from . import layers, layout
from .node_call import Call, Step, Translator, as_it_is
from .resolved import Resolved
from .values import Values


def steps_of(node: Resolved, values: Values) -> list[Step]:
    """The operators that a node runs. Where a shape is not known, the node says so by its name."""
    call = Call(node, values)
    if any(v.tensor is None for v in (*node.inputs, *node.outputs) if v is not None):
        own = f"onnx.{node.op}"
        name = own if reason_free(own) else f"{own} of unknown size"
        return [Step(name, call.tensors, call.outputs)]
    translate = _TRANSLATORS.get(node.op)
    if translate is not None:
        return list(translate(call))
    return [as_it_is(call)]


# One by one


def _each(name: str) -> Translator:
    def translate(call: Call) -> Iterator[Step]:
        yield call.step(f"aten.{name}", *call.tensors)

    return translate


def _chain(name: str) -> Translator:
    """Of any number of operands, two at a time."""

    def translate(call: Call) -> Iterator[Step]:
        first, *rest = call.tensors
        if not rest:
            yield call.step("aten.alias", first, view=True)
            return
        for tensor in rest[:-1]:
            between = call.like(call.out.shape)
            yield Step(f"aten.{name}", (first, tensor), (between,))
            first = between
        if call.node.op == "Mean":
            total = call.like(call.out.shape)
            yield Step(f"aten.{name}", (first, rest[-1]), (total,))
            yield call.step("aten.div", total, len(call.tensors))
        else:
            yield call.step(f"aten.{name}", first, rest[-1])

    return translate


def _reduction(name: str) -> Translator:
    def translate(call: Call) -> Iterator[Step]:
        axes = call.numbers(1, "axes")
        if axes is None and call.attribute("noop_with_empty_axes", 0):
            yield call.step("aten.alias", call.x, view=True)
        else:
            keep = bool(call.attribute("keepdims", 1))
            yield call.step(name, call.x, tuple(axes) if axes else None, keep)

    return translate


_SAME = {
    "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "LeakyRelu": "leaky_relu", "Elu": "elu",
    "Selu": "selu", "Celu": "celu", "Gelu": "gelu", "HardSigmoid": "hardsigmoid", "Mish": "mish",
    "HardSwish": "hardswish", "Softplus": "softplus", "PRelu": "prelu", "Swish": "silu",
    "ThresholdedRelu": "threshold", "Shrink": "hardshrink", "Clip": "clamp", "Add": "add",
    "Sub": "sub", "Mul": "mul", "Div": "div", "Pow": "pow", "Neg": "neg", "Abs": "abs",
    "Sqrt": "sqrt", "Reciprocal": "reciprocal", "Exp": "exp", "Log": "log", "Sin": "sin",
    "Cos": "cos", "Tan": "tan", "Asin": "asin", "Acos": "acos", "Atan": "atan", "Sinh": "sinh",
    "Cosh": "cosh", "Erf": "erf", "Sign": "sign", "Floor": "floor", "Ceil": "ceil",
    "Round": "round", "Mod": "remainder", "Equal": "eq", "Greater": "gt", "Less": "lt",
    "GreaterOrEqual": "ge", "LessOrEqual": "le", "And": "logical_and", "Or": "logical_or",
    "Xor": "logical_xor", "Not": "logical_not", "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or", "BitwiseXor": "bitwise_xor", "BitwiseNot": "bitwise_not",
    "Where": "where", "IsNaN": "isnan", "IsInf": "isinf", "Tile": "repeat",
    "GatherElements": "gather", "GatherND": "index", "DepthToSpace": "pixel_shuffle",
    "SpaceToDepth": "pixel_unshuffle", "Cast": "_to_copy", "CastLike": "_to_copy",
    "GridSample": "grid_sampler_2d", "CumSum": "cumsum", "CumProd": "cumprod",
    "ArgMax": "argmax", "ArgMin": "argmin", "com.microsoft.Gelu": "gelu",
    "com.microsoft.QuickGelu": "gelu",
}  # fmt: skip
_TRANSLATORS: dict[str, Translator] = {
    **{op: _each(name) for op, name in _SAME.items()},
    **dict.fromkeys(("Conv", "ConvTranspose"), layers.convolution),
    "com.microsoft.FusedConv": layers.fused_convolution,
    "ConvInteger": layers.integer_convolution,
    "QLinearConv": layers.quantised_convolution,
    **dict.fromkeys(("MaxPool", "AveragePool"), layers.pool),
    "GlobalAveragePool": layers.global_pool("aten.mean"),
    "GlobalMaxPool": layers.global_pool("aten.amax"),
    **dict.fromkeys(("Resize", "Upsample"), layers.resize),
    "Gemm": layers.gemm,
    "MatMul": layers.matmul,
    "MatMulInteger": layers.integer_matmul,
    "QLinearMatMul": layers.quantised_matmul,
    "BatchNormalization": layers.batch_norm,
    "InstanceNormalization": layers.instance_norm,
    **dict.fromkeys(("LayerNormalization", "RMSNormalization"), layers.layer_norm),
    "GroupNormalization": layers.group_norm,
    **dict.fromkeys(("Softmax", "LogSoftmax"), layers.softmax),
    **{op: _chain(n) for op, n in
       {"Sum": "add", "Mean": "add", "Max": "maximum", "Min": "minimum"}.items()},
    "ReduceMean": _reduction("aten.mean"),
    "ReduceSum": _reduction("aten.sum"),
    "ReduceMax": _reduction("aten.amax"),
    "ReduceMin": _reduction("aten.amin"),
    "ReduceProd": _reduction("aten.prod"),
    "ReduceLogSumExp": _reduction("aten.logsumexp"),
    **dict.fromkeys(("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum"),
                    _reduction("aten.linalg_vector_norm")),
    **dict.fromkeys(("Reshape", "Flatten"), layout.view("view")),
    **{op: layout.view(name) for op, name in
       {"Identity": "alias", "Expand": "expand", "Dropout": "alias"}.items()},
    "Squeeze": layout.squeeze,
    "Unsqueeze": layout.unsqueeze,
    "Transpose": layout.transpose,
    "Concat": layout.concat,
    "Split": layout.split,
    "Slice": layout.slice,
    "Pad": layout.pad,
    "Gather": layout.gather,
}  # fmt: skip
