"""Translate ONNX nodes to ATen operators, for which `operators/` has definitions.

With ATen's names and arguments, costs, receptive fields and configurations are those of an eager
model. An operator that ATen lacks is recorded as `onnx.LSTM`, with a rule in `operators/onnx.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...operators.joins import Cat
from ...operators.parts import Pad, Select, Slice, Split
from ...operators.registry import cost_of, reason_free
from ...operators.sequences import Embedding
from ...operators.views import Permute, Reshape, Squeeze, Unsqueeze
from ...trace.records import Op
from . import layer_translators as layers
from .graph_values import Values
from .inference import Resolved
from .node_call import Call, Step, Translator, untranslated


def steps_of(node: Resolved, values: Values) -> list[Step]:
    """The operators that a node runs; if a shape is unknown, one whose name states it."""
    call = Call(node, values)
    if any(v.tensor is None for v in (*node.inputs, *node.outputs) if v is not None):
        plain = f"onnx.{node.op}"
        name = plain if reason_free(plain) else f"{plain} of unknown size"
        return [Step(name, call.tensors, call.outputs)]
    translate = _TRANSLATORS.get(node.op)
    if translate is not None:
        return list(translate(call))
    return [untranslated(call)]


def amount_of(node: Resolved, values: Values) -> tuple[int, int]:
    """The MACs and other operations of a node, as far as they are known."""
    macs = other_ops = 0
    for step in steps_of(node, values):
        cost = cost_of(Op(step.name, "", step.args, dict(step.kwargs or {}), step.outputs, 0, 0))
        if cost is not None:
            macs, other_ops = macs + cost.macs, other_ops + cost.other_ops
    return macs, other_ops


# Elementwise operators and reductions


def _each(name: str) -> Translator:
    def translate(call: Call) -> Iterator[Step]:
        yield call.step(f"aten.{name}", *call.tensors)

    return translate


def _chain(name: str) -> Translator:
    """An operator of any number of operands, applied to two at a time."""

    def translate(call: Call) -> Iterator[Step]:
        first, *rest = call.tensors
        if not rest:
            yield call.step("aten.alias", first, view=True)
            return
        for tensor in rest[:-1]:
            between = call.intermediate(call.out.shape)
            yield Step(f"aten.{name}", (first, tensor), (between,))
            first = between
        if call.node.op == "Mean":
            total = call.intermediate(call.out.shape)
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


# Layout and lookup


def _view(name: str) -> Translator:
    def translate(call: Call) -> Iterator[Step]:
        yield call.step(f"aten.{name}", call.x, call.out.shape, view=True)

    return translate


def _squeeze(call: Call) -> Iterator[Step]:
    axes = call.numbers(1, "axes")
    dims = None if axes is None else tuple(axes)
    yield call.step("aten.squeeze", *Squeeze(call.x, dims).args, view=True)


def _unsqueeze(call: Call) -> Iterator[Step]:
    axes = call.numbers(1, "axes")
    if axes is not None and len(axes) == 1:
        yield call.step("aten.unsqueeze", *Unsqueeze(call.x, axes[0]).args, view=True)
    else:  # ATen adds one axis at a time
        yield call.step("aten.view", *Reshape(call.x, call.out.shape).args, view=True)


def _transpose(call: Call) -> Iterator[Step]:
    order = call.attribute("perm") or range(len(call.x.shape) - 1, -1, -1)
    yield call.step("aten.permute", *Permute(call.x, tuple(order)).args, view=True)


def _shuffle(name: str) -> Translator:
    """Blocks of pixels and channels; the order of the channels is none of ATen's by default."""

    def translate(call: Call) -> Iterator[Step]:
        yield call.step(f"aten.{name}", call.x, call.attribute("blocksize", 1))

    return translate


def _tile(call: Call) -> Iterator[Step]:
    repeats = [a // b if b else 1 for a, b in zip(call.out.shape, call.x.shape, strict=True)]
    yield call.step("aten.repeat", call.x, tuple(repeats))


def _gather_elements(call: Call) -> Iterator[Step]:
    yield call.step("aten.gather", call.x, call.attribute("axis", 0), call.tensor(1))


def _concat(call: Call) -> Iterator[Step]:
    yield call.step("aten.cat", *Cat(call.tensors, call.attribute("axis", 1)).args)


def _split(call: Call) -> Iterator[Step]:
    axis = call.attribute("axis", 0)
    sizes = tuple(tensor.shape[axis] for tensor in call.outputs)
    yield call.step("aten.split_with_sizes", *Split(call.x, sizes, axis).args, view=True)


def _slice(call: Call) -> Iterator[Step]:
    starts, ends = call.numbers(1, "starts"), call.numbers(2, "ends")
    rank = len(call.x.shape)
    axes = call.numbers(3, "axes") or list(range(len(starts or ())))
    steps = call.numbers(4, "steps") or [1] * len(axes)
    if not axes or starts is None or ends is None or len(steps) != len(axes) or min(steps) < 1:
        yield untranslated(call)
        return
    tensor = call.x
    for number, (axis, start, end, step) in enumerate(zip(axes, starts, ends, steps, strict=True)):
        shape = list(tensor.shape)
        shape[axis] = call.out.shape[axis]
        last = number == len(axes) - 1
        out = call.out if last else call.intermediate(shape)
        part = Slice(tensor, axis % rank, start, end, step)
        yield Step("aten.slice", part.args, (out,), view=True)
        tensor = out


def _pad(call: Call) -> Iterator[Step]:
    pads, rank = call.numbers(1, "pads"), len(call.x.shape)
    if pads is None or len(pads) != 2 * rank:
        yield untranslated(call)
        return
    # ATen's order: the last dimension first, its beginning before its end
    pairs = [n for d in range(rank - 1, -1, -1) for n in (pads[d], pads[d + rank])]
    while len(pairs) > 2 and not any(pairs[-2:]):
        pairs = pairs[:-2]
    yield call.step("aten.constant_pad_nd", *Pad(call.x, tuple(pairs)).args)


def _gather(call: Call) -> Iterator[Step]:
    index = call.node.inputs[1]
    axis = call.attribute("axis", 0)
    if call.is_constant(0) and len(call.x.shape) == 2 and axis == 0:
        indices = call.tensor(1)
        assert indices is not None
        yield call.step("aten.embedding", *Embedding(call.x, indices).args)
    elif index is not None and index.array is not None and index.array.ndim == 0:
        one = Select(call.x, axis, int(index.array))
        yield call.step("aten.select", *one.args, view=True)
    else:
        yield call.step("aten.index_select", call.x, axis, call.tensor(1))


# Quantised operators of ONNX Runtime: each operand has a scale and a zero point behind it


def _quantised_pair(name: str) -> Translator:
    def translate(call: Call) -> Iterator[Step]:
        yield call.step(f"aten.{name}", call.tensor(0), call.tensor(3))

    return translate


def _quantised_one(name: str) -> Translator:
    def translate(call: Call) -> Iterator[Step]:
        yield call.step(f"aten.{name}", call.x)

    return translate


def _quantised_where(call: Call) -> Iterator[Step]:
    yield call.step("aten.where", call.tensor(0), call.tensor(1), call.tensor(4))


def _quantised_concat(call: Call) -> Iterator[Step]:
    places = range(2, len(call.node.inputs), 3)
    tensors = tuple(tensor for place in places if (tensor := call.tensor(place)) is not None)
    yield call.step("aten.cat", *Cat(tensors, call.attribute("axis", 0)).args)


def _scan(name: str) -> Translator:
    """Along one axis, which is an input; None if a run computes it."""

    def translate(call: Call) -> Iterator[Step]:
        axes = call.numbers(1, "axis")
        yield call.step(name, call.x, axes[0] if axes is not None and len(axes) == 1 else None)

    return translate


def _arg_reduction(name: str) -> Translator:
    def translate(call: Call) -> Iterator[Step]:
        keep = bool(call.attribute("keepdims", 1))
        yield call.step(name, call.x, call.attribute("axis", 0), keep)

    return translate


def _attribute_reduction(name: str) -> Translator:
    def translate(call: Call) -> Iterator[Step]:
        axes = call.attribute("axes")
        keep = bool(call.attribute("keepdims", 1))
        yield call.step(name, call.x, tuple(axes) if axes else None, keep)

    return translate


def _biased_softmax(call: Call) -> Iterator[Step]:
    between = call.intermediate(call.out.shape)
    yield Step("aten.add", (call.x, call.tensor(1)), (between,))
    yield call.step("aten._softmax", between, call.attribute("axis", 1), False)


def _product_and_gelu(call: Call) -> Iterator[Step]:
    between = call.intermediate(call.out.shape)
    for step in layers.matmul(call):
        yield Step(step.name, step.args, (between,))
    yield call.step("aten.gelu", *(between, *call.tensors[2:]))


# All translations

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
    "Where": "where", "IsNaN": "isnan", "IsInf": "isinf",
    "Cast": "_to_copy", "CastLike": "_to_copy", "GridSample": "grid_sampler_2d",
    "com.microsoft.Gelu": "gelu", "com.microsoft.QuickGelu": "gelu",
}  # fmt: skip
_TRANSLATORS: dict[str, Translator] = {
    **{op: _each(name) for op, name in _SAME.items()},
    "DepthToSpace": _shuffle("pixel_shuffle"), "SpaceToDepth": _shuffle("pixel_unshuffle"),
    "Tile": _tile, "GatherElements": _gather_elements, "CumSum": _scan("aten.cumsum"),
    "CumProd": _scan("aten.cumprod"), "ArgMax": _arg_reduction("aten.argmax"),
    "ArgMin": _arg_reduction("aten.argmin"),
    **dict.fromkeys(("Conv", "ConvTranspose"), layers.convolution),
    "com.microsoft.FusedConv": layers.fused_convolution,
    **{f"com.microsoft.{op}": translate for op, translate in {
        "QLinearAdd": _quantised_pair("add"), "QLinearMul": _quantised_pair("mul"),
        "QLinearSigmoid": _quantised_one("sigmoid"),
        "QLinearLeakyRelu": _quantised_one("leaky_relu"),
        "QLinearSoftmax": layers.softmax,
        "QLinearWhere": _quantised_where, "QLinearConcat": _quantised_concat,
        "QLinearAveragePool": layers.pool,
        "QLinearGlobalAveragePool": layers.global_pool("aten.mean"),
        "QLinearReduceMean": _attribute_reduction("aten.mean"),
        "ReduceSumInteger": _attribute_reduction("aten.sum"),
        "QGemm": layers.quantised_gemm, "MatMulInteger16": layers.integer_matmul,
        "GemmFastGelu": _product_and_gelu, "BiasSoftmax": _biased_softmax,
    }.items()},
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
    **dict.fromkeys(("LayerNormalization", "RMSNormalization",
                     "SimplifiedLayerNormalization"), layers.layer_norm),
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
    **dict.fromkeys(("Reshape", "Flatten"), _view("view")),
    **{op: _view(name) for op, name in
       {"Identity": "alias", "Expand": "expand", "Dropout": "alias"}.items()},
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Pad": _pad,
    "Gather": _gather,
}  # fmt: skip
