"""Arithmetic on small constants, such as sizes, with onnx's reference evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

if TYPE_CHECKING:
    from .resolved import Value

SMALL = 4096  # elements: what is larger decides no shape


def size_of(op: str, shape: tuple[int, ...], attributes: Mapping[str, Any]) -> Any:
    if op == "Size":
        return np.asarray(prod(shape), dtype=np.int64)
    return np.asarray(shape[slice(attributes.get("start", 0), attributes.get("end"))], np.int64)


def evaluated(
    node: onnx.NodeProto, inputs: Sequence[Value | None], outputs: Sequence[Value | None],
    opsets: Mapping[str, int],
) -> Sequence[Any] | None:  # fmt: skip
    """The outputs of a node on small constants; None where they are not small or not computed."""
    arrays = [None if value is None else value.array for value in inputs]
    if any(a is None for a, v in zip(arrays, inputs, strict=True) if v) or not any(inputs):
        return None
    sizes = [prod(v.tensor.shape) if v.tensor else _range(node, arrays) for v in outputs if v]
    if any(size > SMALL for size in sizes):
        return None
    from onnx.reference import ReferenceEvaluator

    feeds = {n: a for n, a in zip(node.input, arrays, strict=True) if n}
    try:
        session = ReferenceEvaluator(node, opsets=dict(opsets))
        return list(session.run(None, feeds))
    except Exception:  # onnx's evaluator raises what it likes; without a value, shapes decide
        return None


def _range(node: onnx.NodeProto, arrays: Sequence[Any]) -> float:
    """How many elements an output of unknown shape has at most."""
    if node.op_type == "Range":
        start, limit, step = (float(array.reshape(-1)[0]) for array in arrays)
        return abs((limit - start) / step) if step else 0
    return max(
        (array.size * max(1, array.ndim) for array in arrays if array is not None), default=0
    )
