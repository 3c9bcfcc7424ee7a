"""Values and nodes of an ONNX graph, and onnx's shape inference for one node."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import onnx
from onnx import checker, helper, numpy_helper, shape_inference

from ...errors import ModelError, ShapeError
from ...escaping import described
from ...inputs import format_shape
from ...trace.records import TensorSpec
from .contributed import STANDARD_DOMAIN, Standard, contributed


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a graph.

    Attributes:
        type: onnx's type proto, or None.
        tensor: None if the shape is unknown.
        constant: whether it depends on no input.
        array: the content of a small constant, else None.
        sources: the stored tensors that a constant is computed from.
    """

    type: Any
    tensor: TensorSpec | None
    constant: bool = False
    array: Any = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """A node that runs: not one that computes a constant, and not a Shape."""

    op: str
    name: str
    attributes: dict[str, Any]
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value | None, ...]
    metadata: dict[str, str]
    version: int
    within: tuple[tuple[str, str], ...] = ()
    """The rows of the If and Loop nodes around it: paths and types."""

    @property
    def type(self) -> str:
        """The operator without its domain."""
        return self.op.rpartition(".")[2]


_DTYPES = {
    "FLOAT": "float32", "DOUBLE": "float64",
    **{n.upper(): n for n in ("float16", "bfloat16", "complex64", "complex128", "bool", "string",
                              "int4", "int8", "int16", "int32", "int64", "uint4", "uint8",
                              "uint16", "uint32", "uint64")},
}  # fmt: skip


def shape_of(proto: Any, sizes: Mapping[str, int]) -> tuple[int, ...] | None:
    """The shape of a tensor type; None if one of its sizes is unknown."""
    if proto is None or not proto.HasField("tensor_type"):
        return None
    if not proto.tensor_type.HasField("shape") or not proto.tensor_type.elem_type:
        return None
    shape = []
    for dim in proto.tensor_type.shape.dim:
        size = dim.dim_value if dim.HasField("dim_value") else sizes.get(dim.dim_param)
        if size is None or size < 0:
            return None
        shape.append(size)
    return tuple(shape)


def dtype_of(code: int) -> str:
    if code not in onnx.TensorProto.DataType.values():
        return f"type {code}"
    name: str = onnx.TensorProto.DataType.Name(code)
    return _DTYPES.get(name, name.lower())


def known_dtype(code: int, place: str) -> str:
    """The data type with this code; raises ModelError where there is none."""
    if code == onnx.TensorProto.UNDEFINED or code not in onnx.TensorProto.DataType.values():
        raise ModelError(f"{place} has the unknown data type {code}")
    return dtype_of(code)


def itemsize_of(dtype: str) -> int:
    """In bytes; a dtype smaller than a byte counts as one."""
    bits = re.search(r"\d+", dtype)
    return max(1, int(bits[0]) // 8) if bits else 1


class InvalidNode(Exception):
    """A node has operands or attributes that its operator does not have."""


def inferred(
    node: onnx.NodeProto, inputs: Sequence[Value | None], outside: Mapping[str, Value],
    opsets: Mapping[str, int],
) -> dict[str, Any]:  # fmt: skip
    """The types of a node's outputs, by name; those that onnx's shape inference finds.

    Args:
        outside: the values that graphs in attributes of the node may read.

    Raises:
        ShapeError: the shapes of the operands do not fit.
        InvalidNode: its number of operands, their types or an attribute is not the operator's.
    """
    if node.domain == "com.microsoft" or node.op_type in STANDARD_DOMAIN:
        # a node of the default domain with the same shapes is inferred in place of it
        found = contributed(
            node,
            [value.type if value else None for value in inputs],
            [value.tensor.shape if value and value.tensor else None for value in inputs],
        )
        if not isinstance(found, Standard):
            types = dict(zip(node.output, found, strict=False))
            return {name: type_ for name, type_ in types.items() if name and type_ is not None}
        return _as_standard(found, node, inputs, outside, opsets)
    schema = _schema(node, opsets)
    if schema is None:
        return {}
    values = dict(zip(node.input, inputs, strict=True))
    if any(
        attribute.type in (5, 10) for attribute in node.attribute
    ):  # GRAPH(S): they may read any value outside
        values = dict(outside)
    types = {name: value.type for name, value in values.items() if value and value.type}
    if any(name and name not in types for name in node.input):
        return {}
    # The values of small constants decide shapes, such as the second operand of a Reshape.
    data = {
        name: numpy_helper.from_array(value.array, name)
        for name, value in values.items()
        if value is not None and value.array is not None and value.array.dtype != object
    }
    reason = unsafe_attribute(node, values)
    if reason is not None:
        raise InvalidNode(f"at {node.name or node.op_type}: {reason}")
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    try:
        result: dict[str, Any] = shape_inference.infer_node_outputs(
            schema, node, types, data, opset_imports=imports
        )
    except checker.ValidationError as error:
        raise InvalidNode(f"at {node.name or node.op_type}: {_last_line(error)}") from error
    except (shape_inference.InferenceError, RuntimeError, ValueError) as error:
        if all(value is None or value.constant for value in inputs):
            return {}  # it does not run; uses of its result may still be valid
        shapes = [format_shape(v.tensor.shape) for v in inputs if v and v.tensor]
        raise ShapeError(
            f"shapes don't fit at {node.name or node.output[0]} ({node.op_type})",
            f"{node.op_type} got {', '.join(shapes)}",
            f"onnx says: {_last_line(error)}",
        ) from error
    return result


def _as_standard(
    standard: Standard, node: onnx.NodeProto, inputs: Sequence[Value | None],
    outside: Mapping[str, Value], opsets: Mapping[str, int],
) -> dict[str, Any]:  # fmt: skip
    chosen = [inputs[place] for place in standard.operands if place < len(inputs)]
    operands = [value.type for value in chosen if value is not None and value.type is not None]
    if not operands:
        return {}
    on_floats = [
        replace(value, type=standard.type_of(value.type)) if value and value.type else value
        for value in chosen
    ]
    found = inferred(standard.node(node), on_floats, outside, opsets)
    return {name: standard.result_of(type_, operands) for name, type_ in found.items()}


def unsafe_attribute(node: onnx.NodeProto, values: Mapping[str, Value | None]) -> str | None:
    """Why an attribute is no use, among those at which onnx's shape inference ends the process.

    It is C++: an index out of range there is no exception.
    """
    attributes = {attribute.name: attribute for attribute in node.attribute}
    first = values.get(node.input[0]) if node.input else None
    rank = 64  # of an operand of unknown shape
    if first is not None and first.type and first.type.tensor_type.HasField("shape"):
        rank = len(first.type.tensor_type.shape.dim)
        order = attributes.get("perm")
        if order is not None and sorted(order.ints) != list(range(rank)):
            return f"perm is {list(order.ints)}, the input has {rank} dimensions"
    axis, batched = attributes.get("axis"), attributes.get("batch_dims")
    if axis is not None and not -rank - 1 <= axis.i <= rank:
        return f"the axis {axis.i} of {rank} dimensions"
    if axis is not None and node.op_type.endswith("Normalization") and not -rank <= axis.i < rank:
        return f"the axis {axis.i} of {rank} dimensions"
    if batched is not None and not 0 <= batched.i <= rank:
        return f"batch_dims is {batched.i}, the input has {rank} dimensions"
    outputs = attributes.get("num_outputs")
    if node.op_type == "Split" and outputs is not None and outputs.i != len(node.output):
        return f"num_outputs is {outputs.i}, and there are {len(node.output)}"
    equation = attributes.get("equation")
    if equation is not None and not re.fullmatch(rb"[A-Za-z., ]+(->[A-Za-z. ]*)?", equation.s):
        return f"{described(equation.s)} is no equation"
    return None


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def _schema(node: onnx.NodeProto, opsets: Mapping[str, int]) -> Any:
    domain = "" if node.domain == "ai.onnx" else node.domain
    try:
        return onnx.defs.get_schema(node.op_type, opsets.get(domain, 1), domain)
    except onnx.defs.SchemaError:
        return None
