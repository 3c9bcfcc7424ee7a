"""Parse an ONNX file: `model.onnx` → `Trace`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import CnnstatError, ModelError, text_of
from ...input_files import read_bytes
from ...inputs import InputSpec
from ...trace.records import Trace
from ..declared_inputs import DeclaredInput, DynamicSize, resolve_inputs


def read_onnx(
    spec: str, inputs: Sequence[Any], named: Mapping[str, Any]
) -> tuple[Trace, list[InputSpec]]:
    """Parse an ONNX file, choose the sizes of its inputs, and trace the graph without running it.

    External files with weights are not opened.

    Raises:
        UsageError: a dynamic size has no value, or an input does not exist.
        ModelError: the file is no ONNX model or is damaged, or an input contradicts a fixed size.
        ShapeError: shapes in the graph do not fit.
    """
    onnx = _onnx()
    from .expansion import check_expansion
    from .graph_values import Values
    from .inference import InvalidNode
    from .recording import record
    from .translators import amount_of

    model = _parsed(spec, onnx)
    if model.functions:
        check_expansion(spec, model)
        model = _inlined(spec, model)
    graph = model.graph
    stored = {tensor.name for tensor in graph.initializer}
    stored |= {tensor.values.name for tensor in graph.sparse_initializer}
    infos = [info for info in graph.input if info.name not in stored]
    declared = [_declared(spec, info) for info in infos]
    chosen = resolve_inputs(spec, declared, inputs, named)
    opsets = {
        "" if entry.domain == "ai.onnx" else entry.domain: entry.version
        for entry in model.opset_import
    }
    values = Values(spec, opsets, _sizes(declared, chosen), amount=amount_of)
    try:
        for info, shape in zip(infos, chosen, strict=True):
            values.add_input(info.name, shape, info.type.tensor_type.elem_type)
        values.add_graph(graph)
        inputs_of_run = [(i.name, values.values[i.name].tensor) for i in infos]
        named_if_several = [(n if len(infos) > 1 else None, t) for n, t in inputs_of_run if t]
        outputs = [values.values[info.name] for info in graph.output if info.name in values.values]
        return record(graph.name or "Graph", values, named_if_several, outputs), chosen
    except CnnstatError:
        raise
    except InvalidNode as error:
        raise ModelError(f"{spec} is no valid ONNX model", str(error)) from error
    except Exception as error:  # what an invalid graph leads to cannot be listed
        reason = _defect(model)
        if reason is None:
            raise
        raise ModelError(f"{spec} is no valid ONNX model", reason) from error


def _defect(model: Any) -> str | None:
    """The first complaint of onnx's checker about the graph; None if it is valid.

    The checker would look for the files of stored tensors, so these become inputs for it.
    """
    from onnx import checker, helper

    graph = model.graph
    declared = {info.name for info in graph.input}
    for tensor in graph.initializer:
        if tensor.name not in declared:
            info = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            graph.input.append(info)
    del graph.initializer[:]
    try:
        checker.check_model(model)
    except Exception as error:  # ValidationError, or any exception of its C++ code
        return text_of(error).splitlines()[0]
    return None


def _onnx() -> Any:
    try:
        import onnx
        import onnx.defs
        import onnx.shape_inference
    except Exception as error:  # a broken installation fails in many ways
        raise ModelError(
            "onnx is needed to read ONNX files", f"{type(error).__name__}: {error}",
            hint="pip install 'cnnstat[onnx]'",
        ) from error  # fmt: skip
    return onnx


def _parsed(spec: str, onnx: Any) -> Any:
    message = importlib.import_module("google.protobuf.message")
    try:
        content = read_bytes(spec)
    except OSError as error:
        raise ModelError(f"cannot read {spec}", error.strerror or str(error)) from error
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except (message.DecodeError, ValueError) as error:
        raise ModelError(f"{spec} is no ONNX model, or it is cut short", str(error)) from error
    if not model.graph.node or not model.opset_import:
        raise ModelError(f"{spec} is no ONNX model", "it holds no graph of operators")
    return model


def _inlined(spec: str, model: Any) -> Any:
    """Inline the functions that the model defines."""
    from onnx import inliner

    try:
        return inliner.inline_local_functions(model)
    except Exception as error:  # the C++ inliner raises anything on unusual functions
        raise ModelError(f"the functions of {spec} cannot be put in place", str(error)) from error


def _declared(spec: str, info: Any) -> DeclaredInput:
    from .inference import known_dtype

    if not info.type.HasField("tensor_type"):
        kind = info.type.WhichOneof("value") or "value of unknown type"
        raise ModelError(f"{spec}: the input {info.name} is no tensor but a {kind}")
    tensor = info.type.tensor_type
    dtype = known_dtype(tensor.elem_type, f"{spec}: the input {info.name}")
    if not tensor.HasField("shape"):
        return DeclaredInput(info.name, None, dtype)
    shape = tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0
        else DynamicSize(dim.dim_param or f"{info.name}[{position}]")
        for position, dim in enumerate(tensor.shape.dim)
    )  # fmt: skip
    return DeclaredInput(info.name, shape, dtype)


def _sizes(declared: Sequence[DeclaredInput], chosen: Sequence[InputSpec]) -> dict[str, int]:
    """The chosen values of the dynamic sizes, by name."""
    return {
        size.name: number
        for item, value in zip(declared, chosen, strict=True)
        for size, number in zip(item.shape or (), value.shape, strict=False)
        if isinstance(size, DynamicSize)
    }
