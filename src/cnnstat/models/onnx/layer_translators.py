"""Translate convolutions, pools, products and normalisations of ONNX to ATen operators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from ...errors import ShapeError
from ...operators.convolution import Convolution, in_channels
from ...operators.linear import Matmul, matrix_product
from ...operators.pooling import Pool
from ...operators.shape_rules import ceil_div
from ...results import Shape
from ...trace.records import TensorSpec
from .node_call import Call, Step, Translator

# Convolution and pooling


def _padding(call: Call, kernel: Sequence[int], x: TensorSpec) -> tuple[Shape, Shape | None]:
    """Padding at the beginning of each spatial dimension, and at the end if that differs.

    SAME pads for ⌈size / stride⌉ positions; the larger half is at the end (UPPER) or beginning
    (LOWER).
    """
    dims = len(kernel)
    auto = call.attribute("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        strides = call.attribute("strides", [1] * dims)
        dilations = call.attribute("dilations", [1] * dims)
        total = [
            max(0, (ceil_div(n, s) - 1) * s + (k - 1) * d + 1 - n)
            for n, k, s, d in zip(x.shape[-dims:], kernel, strides, dilations, strict=True)
        ]
        less, more = [t // 2 for t in total], [ceil_div(t, 2) for t in total]
        begin, end = (more, less) if auto == "SAME_LOWER" else (less, more)
    else:
        pads = call.attribute("pads", [0] * 2 * dims) if auto == "NOTSET" else [0] * 2 * dims
        begin, end = pads[:dims], pads[dims:]
    return tuple(begin), None if begin == end else tuple(end)


def convolution(call: Call) -> Iterator[Step]:
    weight = call.tensor(1)
    assert weight is not None
    transposed = call.node.op == "ConvTranspose"
    expected = in_channels(weight.shape, transposed, call.attribute("group", 1))
    if call.x.shape[1] != expected:  # onnx's shape inference does not check it
        raise ShapeError(
            f"shapes don't fit at {call.node.name or call.node.op} ({call.node.op})",
            f"the layer takes {expected} channels, the input has {call.x.shape[1]}",
        )
    yield _convolution(call, call.x, weight, call.tensor(2), transposed)


def _convolution(
    call: Call, x: TensorSpec, weight: TensorSpec, bias: TensorSpec | None, transposed: bool = False
) -> Step:
    dims = len(weight.shape) - 2
    padding, end_padding = _padding(call, weight.shape[2:], x)
    strides, dilations = (
        tuple(call.attribute(name, [1] * dims)) for name in ("strides", "dilations")
    )
    output_padding = (
        tuple(call.attribute("output_padding", [0] * dims)) if transposed else (0,) * dims
    )
    groups = call.attribute("group", 1)
    view = Convolution(
        x, weight, bias, strides, padding, dilations, transposed, output_padding, groups
    )
    return _step("aten.convolution", view.args, end_padding, call.outputs)


def _step(
    name: str,
    args: tuple[Any, ...],
    end_padding: Shape | None,
    outputs: tuple[TensorSpec, ...],
    dilation: Shape | None = None,
) -> Step:
    """ATen pads both ends equally, so a different padding at the end is a keyword argument.

    So is the dilation of an average, which ATen does not have.
    """
    extra = {"padding_behind": end_padding, "dilation": dilation}
    kwargs = {name: value for name, value in extra.items() if value is not None}
    return Step(name, args, outputs, kwargs=kwargs or None)


def fused_convolution(call: Call) -> Iterator[Step]:
    """A convolution and an activation."""
    between = call.intermediate(call.out.shape)
    for step in convolution(call):
        yield Step(step.name, step.args, (between,), kwargs=step.kwargs)
    name = str(call.attribute("activation", "Relu"))
    yield call.step("aten.relu" if name == "Relu" else f"aten.{name.lower()}", between)


def integer_convolution(call: Call) -> Iterator[Step]:
    """Operands: x, weight, zero points; no bias."""
    weight = call.tensor(1)
    assert weight is not None
    yield _convolution(call, call.x, weight, None)


def quantised_convolution(call: Call) -> Iterator[Step]:
    """Operands: x, weight and output, each with scale and zero point, then the bias."""
    weight = call.tensor(3)
    assert weight is not None
    yield _convolution(call, call.x, weight, call.tensor(8))


def pool(call: Call) -> Iterator[Step]:
    kernel = tuple(call.attribute("kernel_shape"))
    dims = len(kernel)
    strides = tuple(call.attribute("strides", [1] * dims))
    padding, end_padding = _padding(call, kernel, call.x)
    ceil_mode = bool(call.attribute("ceil_mode", 0))
    dilations = tuple(call.attribute("dilations", [1] * dims))
    if call.node.op == "MaxPool":
        name = "aten.max_pool1d" if dims == 1 else f"aten.max_pool{dims}d_with_indices"
        view, spread = Pool(call.x, kernel, strides, padding, dilations, ceil_mode), None
    else:
        name, spread = f"aten.avg_pool{dims}d", dilations if set(dilations) != {1} else None
        view = Pool(call.x, kernel, strides, padding, None, ceil_mode)
    yield _step(name, view.args, end_padding, call.outputs, spread)


def global_pool(name: str) -> Translator:
    def translate(call: Call) -> Iterator[Step]:
        yield call.step(name, call.x, tuple(range(2, len(call.x.shape))), True)

    return translate


def resize(call: Call) -> Iterator[Step]:
    """Interpolation over all dimensions but the first two."""
    mode = call.attribute("mode", "nearest")
    dims = len(call.x.shape) - 2
    kinds = {"nearest": "nearest", "linear": ("linear", "bilinear", "trilinear")[dims - 1],
             "cubic": "bicubic"}  # fmt: skip
    name = f"aten.upsample_{kinds.get(mode, mode)}{dims}d" if 0 < dims < 4 else "onnx.Resize"
    yield call.step(name, call.x, call.out.shape[2:])


# Products


def gemm(call: Call) -> Iterator[Step]:
    yield _gemm(call, call.tensor(1), call.tensor(2))


def quantised_gemm(call: Call) -> Iterator[Step]:
    """Operands: a and b, each with scale and zero point, then the bias."""
    yield _gemm(call, call.tensor(3), call.tensor(6))


def _gemm(call: Call, b: TensorSpec | None, c: TensorSpec | None) -> Step:
    a = call.x
    assert b is not None
    a = _transposed(a) if call.attribute("transA", 0) else a
    b = _transposed(b) if call.attribute("transB", 0) else b
    return _product(call, matrix_product(a, b, c))


def _product(call: Call, product: Matmul) -> Step:
    return call.step(product.name, *product.args)


def _transposed(tensor: TensorSpec) -> TensorSpec:
    """The same value with its last two dimensions exchanged."""
    *batch, n, m = tensor.shape
    return TensorSpec(tensor.value, (*batch, m, n), tensor.dtype, tensor.itemsize, tensor.parameter)


def matmul(call: Call) -> Iterator[Step]:
    b = call.tensor(1)
    assert b is not None
    if call.is_constant(1) and len(b.shape) == 2:
        yield _product(call, Matmul("aten.linear", call.x, _transposed(b)))
    else:
        yield _product(call, Matmul("aten.matmul", call.x, b))


def quantised_matmul(call: Call) -> Iterator[Step]:
    """Operands: a, b and output, each with scale and zero point."""
    b = call.tensor(3)
    assert b is not None
    yield _product(call, Matmul("aten.matmul", call.x, b))


def integer_matmul(call: Call) -> Iterator[Step]:
    b = call.tensor(1)
    assert b is not None
    yield _product(call, Matmul("aten.matmul", call.x, b))


# Normalisation


def batch_norm(call: Call) -> Iterator[Step]:
    training = call.attribute("training_mode", 0) or (
        call.node.version < 14 and len(call.outputs) > 1
    )
    parameters = [call.tensor(i) for i in range(1, 5)]
    epsilon = call.attribute("epsilon", 1e-5)
    yield call.step("aten.native_batch_norm", call.x, *parameters, bool(training), 0.1, epsilon)


def instance_norm(call: Call) -> Iterator[Step]:
    weight, bias = call.tensor(1), call.tensor(2)
    yield call.step("aten.native_batch_norm", call.x, weight, bias, None, None, True, 0.1, 1e-5)


def layer_norm(call: Call) -> Iterator[Step]:
    axis = call.attribute("axis", -1)
    shape = call.x.shape[axis:]
    weight, bias = call.tensor(1), call.tensor(2)
    if call.node.op in ("RMSNormalization", "SimplifiedLayerNormalization"):
        yield call.step("aten._fused_rms_norm", call.x, shape, weight, None)
    else:
        yield call.step("aten.native_layer_norm", call.x, shape, weight, bias, 1e-5)


def group_norm(call: Call) -> Iterator[Step]:
    weight, bias = call.tensor(1), call.tensor(2)
    batch, channels, *sides = call.x.shape
    groups = call.attribute("num_groups", 1)
    yield call.step(
        "aten.native_group_norm", call.x, weight, bias, batch, channels, prod(sides), groups, 1e-5
    )


def softmax(call: Call) -> Iterator[Step]:
    old = call.node.version < 13 and call.node.op != "com.microsoft.QLinearSoftmax"
    axis = call.attribute("axis", 1 if old else -1)
    name = "aten._log_softmax" if call.node.op == "LogSoftmax" else "aten._softmax"
    yield call.step(name, call.x, axis, False)
