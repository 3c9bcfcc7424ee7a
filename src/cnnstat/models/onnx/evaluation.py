"""The content of small constants of an ONNX graph, with onnx's reference evaluator.

Only for operators whose time and memory are bounded: a file decides what is evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, prod
from typing import Any

import numpy as np
import onnx

from .inference import Value

SMALL = 4096  # elements; larger constants decide no shape

_EVALUATED = {
    "Abs", "Add", "And", "ArgMax", "ArgMin", "BitShift", "BitwiseAnd", "BitwiseNot",
    "BitwiseOr", "BitwiseXor", "Cast", "CastLike", "Ceil", "Clip", "Compress", "Concat",
    "ConstantOfShape", "Cos", "CumSum", "DequantizeLinear", "Div", "Equal", "Erf", "Exp",
    "Expand", "EyeLike", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Greater",
    "GreaterOrEqual", "Identity", "IsInf", "IsNaN", "Less", "LessOrEqual", "Log", "MatMul",
    "Max", "Mean", "Min", "Mod", "Mul", "Neg", "NonZero", "Not", "OneHot", "Or", "Pow",
    "QuantizeLinear", "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Round",
    "Scatter", "ScatterElements", "ScatterND", "Shape", "Sigmoid", "Sign", "Sin", "Size",
    "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Tile", "TopK",
    "Transpose", "Trilu", "Unique", "Unsqueeze", "Where", "Xor",
}  # fmt: skip
"""Operators whose time and memory are bounded by the sizes of their operands and results."""


def size_of(op: str, shape: tuple[int, ...], attributes: Mapping[str, Any]) -> Any:
    if op == "Size":
        return np.asarray(prod(shape), dtype=np.int64)
    return np.asarray(shape[slice(attributes.get("start", 0), attributes.get("end"))], np.int64)


def evaluated(
    node: onnx.NodeProto, inputs: Sequence[Value | None], outputs: Sequence[Value | None],
    opsets: Mapping[str, int],
) -> Sequence[Any] | None:  # fmt: skip
    """The outputs of a node on small constants; None if they are large or cannot be computed."""
    if node.op_type not in _EVALUATED or node.domain not in ("", "ai.onnx"):
        return None
    arrays = [None if value is None else value.array for value in inputs]
    if any(a is None for a, v in zip(arrays, inputs, strict=True) if v) or not any(inputs):
        return None
    sizes = [prod(v.tensor.shape) if v.tensor else _bound(node, arrays) for v in outputs if v]
    if any(size > SMALL for size in sizes):
        return None
    from onnx.reference import ReferenceEvaluator

    feeds = {n: a for n, a in zip(node.input, arrays, strict=True) if n}
    try:
        session = ReferenceEvaluator(node, opsets=dict(opsets))
        with np.errstate(all="ignore"):  # as a runtime does
            return list(session.run(None, feeds))
    except Exception:  # onnx's evaluator raises anything; shape inference may do without
        return None


def _bound(node: onnx.NodeProto, arrays: Sequence[Any]) -> float:
    """An upper bound for the elements of an output of unknown shape."""
    if node.op_type == "Range":
        start, limit, step = (float(array.reshape(-1)[0]) for array in arrays)
        return abs((limit - start) / step) if step else 0
    if node.op_type in ("Compress", "NonZero", "Unique"):
        sizes = [array.size * max(1, array.ndim) for array in arrays if array is not None]
        return float(max(sizes))
    return inf
