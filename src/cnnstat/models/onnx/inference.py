"""Values and nodes of an ONNX graph, and onnx's shape inference for one node."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import checker, helper, numpy_helper, shape_inference

from ...errors import ModelError, ShapeError
from ...escaping import described
from ...inputs import format_shape
from ...trace.records import TensorSpec


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
    if node.domain == "com.microsoft":
        # a node of the default domain with the same shapes is inferred in place of it
        contributed = _contributed(node, inputs)
        if contributed is None:
            return {}
        if not isinstance(contributed, onnx.NodeProto):
            return {node.output[0]: contributed}
        node, inputs = contributed, inputs[: len(contributed.input)]
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
        found: dict[str, Any] = shape_inference.infer_node_outputs(
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
    return found


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


_STANDARD_OPERATORS = {"FusedConv": "Conv", "FusedGemm": "Gemm"}
_KEEP_SHAPE = {"Gelu", "FastGelu", "BiasGelu", "QuickGelu", "SkipLayerNormalization"}

_PACKED = {"MatMulNBits", "MatMulBnb4"}  # K and N are attributes
_DEQUANTISING = {"DynamicQuantizeMatMul", "MatMulIntegerToFloat"}  # products with a float result


def _attribute(node: onnx.NodeProto, name: str) -> Any:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), None)


def _contributed(node: onnx.NodeProto, inputs: Sequence[Value | None]) -> Any:
    """For an operator of ONNX Runtime, whose schema onnx lacks: a standard node with the same
    shapes, the type of the output, or None."""
    first = inputs[0] if inputs else None
    if node.op_type in _STANDARD_OPERATORS:
        standard = onnx.NodeProto(op_type=_STANDARD_OPERATORS[node.op_type], name=node.name)
        standard.input.extend(node.input[:3])
        standard.output.extend(node.output[:1])
        known = onnx.defs.get_schema(standard.op_type, 13).attributes
        standard.attribute.extend(a for a in node.attribute if a.name in known)
        return standard
    if first is None or first.tensor is None:
        return None
    if node.op_type in _KEEP_SHAPE:
        return first.type
    if node.op_type in _PACKED and (columns := _attribute(node, "N")) is not None:
        code = first.type.tensor_type.elem_type
        return helper.make_tensor_type_proto(code, (*first.tensor.shape[:-1], columns))
    weight = inputs[1].tensor if len(inputs) > 1 and inputs[1] else None
    if node.op_type in _DEQUANTISING and weight is not None and len(weight.shape) == 2:
        shape = (*first.tensor.shape[:-1], weight.shape[1])
        return helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, shape)
    plain = not any(attribute.name == "qkv_hidden_sizes" for attribute in node.attribute)
    if node.op_type == "Attention" and weight is not None and plain:
        code = first.type.tensor_type.elem_type
        shape = (*first.tensor.shape[:2], weight.shape[1] // 3)
        return helper.make_tensor_type_proto(code, shape)
    return None


def _schema(node: onnx.NodeProto, opsets: Mapping[str, int]) -> Any:
    domain = "" if node.domain == "ai.onnx" else node.domain
    try:
        return onnx.defs.get_schema(node.op_type, opsets.get(domain, 1), domain)
    except onnx.defs.SchemaError:
        return None
