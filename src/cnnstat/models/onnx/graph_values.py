"""Compute the shape of each value of an ONNX graph, and the content of small constants.

Shapes are from onnx's shape inference, node by node. Some depend on the content of constants (the
operand of a Reshape, the result of a Shape), so nodes on constants are evaluated with onnx's
reference evaluator, unless they have more than `SMALL` elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ...errors import ModelError
from ...inputs import InputSpec, format_shape
from ...trace.records import TensorSpec
from .control_flow import Flow, follow
from .evaluation import SMALL, evaluated, size_of
from .inference import (
    Resolved,
    Value,
    dtype_of,
    inferred,
    itemsize_of,
    known_dtype,
    shape_of,
)
from .operands import Uses, use_of

_RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
           "Multinomial", "Bernoulli"}  # fmt: skip


_MOST_SOURCES = 256
"""A chain of constants may add a stored tensor at each node. Those that a constant leaves out are
parameters of the graph itself, in no row."""


@dataclass
class Values:
    """The values of a graph and the nodes that run, in order.

    Attributes:
        opsets: the version of each operator set.
        sizes: the numbers chosen for dynamic sizes.
        values: by name, as far as the graph has been followed.
        nodes: those that run, in order.
        stored: the tensors in the file, and computed constants that count as parameters or buffers.
        declared: the types declared in the file, by name.
        count: of tensors, for their numbers.
        uses: how stored tensors are used.
        amount: the MACs and other operations of a node.
        within: the rows around the node that is followed: paths and types.
        flows: the nodes that run graphs depending on values.
        left_out: the nodes of branches that do not count, by index.
    """

    spec: str
    opsets: Mapping[str, int]
    sizes: Mapping[str, int]
    values: dict[str, Value] = field(default_factory=dict)
    nodes: list[Resolved] = field(default_factory=list)
    stored: dict[str, TensorSpec] = field(default_factory=dict)
    declared: dict[str, Any] = field(default_factory=dict)
    count: int = 0
    uses: Uses = field(default_factory=Uses)
    amount: Callable[[Resolved, Values], tuple[int, int]] = lambda node, values: (0, 0)
    within: tuple[tuple[str, str], ...] = ()
    flows: list[Flow] = field(default_factory=list)
    left_out: set[int] = field(default_factory=set)
    _read_names: set[str] = field(default_factory=set)

    def tensor(self, shape: Sequence[int], dtype: str, parameter: str | None = None) -> TensorSpec:
        self.count += 1
        return TensorSpec(self.count, tuple(shape), dtype, itemsize_of(dtype), parameter)

    def add_input(self, name: str, spec: InputSpec, elem_type: int) -> None:
        proto = helper.make_tensor_type_proto(elem_type, spec.shape)
        self.values[name] = Value(proto, self.tensor(spec.shape, spec.dtype))

    def add_graph(self, graph: onnx.GraphProto) -> None:
        """Add the values and nodes of a graph, or of the branch that an If on a constant runs."""
        for tensor in graph.initializer:
            self._store(tensor.name, tensor)
        for sparse in graph.sparse_initializer:
            dense = onnx.TensorProto(dims=sparse.dims, data_type=sparse.values.data_type)
            dense.data_location = onnx.TensorProto.EXTERNAL  # never read its content
            self._store(sparse.values.name, dense)
        for info in (*graph.value_info, *graph.output):
            self.declared[info.name] = info.type
        self._read_names |= set(_names_read(graph))
        for node in graph.node:
            self._follow(node)

    def amount_since(self, node: int) -> tuple[int, int]:
        """The MACs and other operations of the counted nodes from `node` on."""
        counted = (i for i in range(node, len(self.nodes)) if i not in self.left_out)
        amounts = [self.amount(self.nodes[index], self) for index in counted]
        return sum(macs for macs, _ in amounts), sum(other for _, other in amounts)

    def _follow(self, node: onnx.NodeProto) -> None:
        # Nodes that cost nothing at run time become constants or other names of a value here.
        inputs = tuple(self._read(node, name) for name in node.input)
        attributes = {a.name: _plain(helper.get_attribute_value(a)) for a in node.attribute}
        standard = node.domain in ("", "ai.onnx")
        if standard and node.op_type == "Constant":
            self._constant(node)
        elif standard and node.op_type == "If" and inputs[0] is not None and (
            inputs[0].array is not None
        ):  # fmt: skip
            branch = attributes["then_branch" if inputs[0].array.all() else "else_branch"]
            self.add_graph(branch)
            for inside, outside in zip(branch.output, node.output, strict=True):
                self.values[outside] = self.values[inside.name]
        elif standard and node.op_type in ("Shape", "Size") and inputs[0] and inputs[0].tensor:
            array = size_of(node.op_type, inputs[0].tensor.shape, attributes)
            self._known(node.output[0], array)
        elif standard and node.op_type == "Identity" and inputs[0] and inputs[0].constant:
            self.values[node.output[0]] = inputs[0]
        elif not (standard and follow(self, node, inputs, attributes, self.opsets.get("", 1))):
            self._general(node, inputs, attributes)

    def _general(
        self, node: onnx.NodeProto, inputs: tuple[Value | None, ...], attributes: dict[str, Any]
    ) -> None:
        types = inferred(node, inputs, self.values, self.opsets)
        constant = node.op_type not in _RANDOM and not _graphs(attributes) and all(
            value is None or value.constant for value in inputs
        ) and any(inputs)  # fmt: skip
        # optional outputs that nothing reads are not computed; of a dead node the first one is
        first = next(iter(node.output), "")
        outputs = tuple(
            self._output(name, types.get(name))
            if name and (name in self._read_names or name == first)
            else None
            for name in node.output
        )
        if constant:
            self._fold(node, inputs, outputs)
            return
        for name, value in zip(node.output, outputs, strict=True):
            if value is not None:
                self.values[name] = value
        prefix = "" if node.domain in ("", "ai.onnx") else f"{node.domain}."
        self.nodes.append(
            Resolved(prefix + node.op_type, node.name, attributes, inputs, outputs,
                     {entry.key: entry.value for entry in node.metadata_props},
                     self.opsets.get(node.domain if prefix else "", 1), self.within)
        )  # fmt: skip

    def _read(self, node: onnx.NodeProto, name: str) -> Value | None:
        if name and name not in self.values:
            place = node.name or node.op_type
            raise ModelError(f"{self.spec} is damaged: {place} reads {name!r}, which nothing makes")
        return self.values[name] if name else None

    # Constants

    def _store(self, name: str, tensor: onnx.TensorProto) -> None:
        """Add a stored tensor; its content is read only if it is small and in the file itself."""
        place = f"{self.spec} is damaged: the tensor {name!r}"
        shape, dtype = tuple(tensor.dims), known_dtype(tensor.data_type, place)
        if min(shape, default=0) < 0:
            raise ModelError(f"{place} has the shape {format_shape(shape)}")
        array = None
        if prod(shape) <= SMALL and tensor.data_location != onnx.TensorProto.EXTERNAL:
            try:
                array = numpy_helper.to_array(tensor)
            except Exception as error:  # onnx reads each data type in its own way
                raise ModelError(f"{place} cannot be read", str(error)) from error
        spec = self.tensor(shape, dtype, name)
        self.stored[name] = spec
        proto = helper.make_tensor_type_proto(tensor.data_type, shape)
        self.values[name] = Value(proto, spec, True, array, (name,))

    def _constant(self, node: onnx.NodeProto) -> None:
        attribute = node.attribute[0]
        value = helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            self._store(node.output[0], value)
        elif isinstance(value, onnx.SparseTensorProto):
            dense = onnx.TensorProto(dims=value.dims, data_type=value.values.data_type)
            dense.data_location = onnx.TensorProto.EXTERNAL
            self._store(node.output[0], dense)
        else:
            kind = {"value_int": "int64", "value_ints": "int64", "value_float": "float32",
                    "value_floats": "float32"}.get(attribute.name, "object")  # fmt: skip
            self._known(node.output[0], np.asarray(value, dtype=kind))

    def _known(self, name: str, array: Any) -> None:
        """Add a constant that is a size or a number in an attribute, so never a weight."""
        code = helper.np_dtype_to_tensor_dtype(array.dtype)
        proto = helper.make_tensor_type_proto(code, array.shape)
        small = array if array.size <= SMALL else None
        self.values[name] = Value(proto, self.tensor(array.shape, dtype_of(code)), True, small)

    def _fold(
        self, node: onnx.NodeProto, inputs: tuple[Value | None, ...],
        outputs: tuple[Value | None, ...],
    ) -> None:  # fmt: skip
        """Add the outputs of a node on constants; evaluated if they are small.

        An output stands for the stored tensors that it is computed from, as a cast or transposed
        weight is still that weight. A float computed from none is a stored tensor itself.
        """
        sources: dict[str, None] = {}
        for index, operand in enumerate(inputs):
            use = use_of(node.op_type, index)
            for source in operand.sources if operand else ():
                if use != "data":
                    self.uses.note(source, use)
                if use in ("data", "weight") and len(sources) < _MOST_SOURCES:
                    sources[source] = None
        arrays = evaluated(node, inputs, outputs, self.opsets)
        for index, (name, value) in enumerate(zip(node.output, outputs, strict=True)):
            if value is None:
                continue
            array = arrays[index] if arrays is not None else None
            type_, tensor, origin = value.type, value.tensor, tuple(sources)
            if array is not None:
                code = helper.np_dtype_to_tensor_dtype(array.dtype)
                type_ = helper.make_tensor_type_proto(code, array.shape)
                tensor = self.tensor(array.shape, dtype_of(code))
            if tensor is not None and not origin and (array is None or "float" in tensor.dtype):
                origin = (name,)
                self.uses.computed.add(name)
            if tensor is not None:
                parameter = origin[0] if origin else None
                tensor = self.tensor(tensor.shape, tensor.dtype, parameter)
            if origin == (name,) and tensor is not None:
                self.stored[name] = tensor
            small = array if array is not None and array.size <= SMALL else None
            self.values[name] = Value(type_, tensor, True, small, origin)

    # Shapes

    def _output(self, name: str, found: Any) -> Value:
        """An output with its inferred shape, else with the shape declared in the file."""
        for proto in (found, self.declared.get(name)):
            shape = shape_of(proto, self.sizes)
            if proto is not None and shape is not None:
                dtype = dtype_of(proto.tensor_type.elem_type)
                resolved = helper.make_tensor_type_proto(proto.tensor_type.elem_type, shape)
                return Value(resolved, self.tensor(shape, dtype))
        return Value(found or self.declared.get(name), None)


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _names_read(graph: onnx.GraphProto) -> Iterator[str]:
    yield from (info.name for info in graph.output)
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _names_read(inner)


def _graphs(attributes: Mapping[str, Any]) -> list[onnx.GraphProto]:
    return [value for value in attributes.values() if isinstance(value, onnx.GraphProto)]
