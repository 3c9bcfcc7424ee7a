"""What the figures of a saved analysis suffice to explain.

A row has shapes, windows and figures. From these a convolution, pooling or linear layer is put
together again as the operator that it was; it is believed where it gives the figures of the row.
How the data flowed and what tensors there were is not in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ..analysis.results import Analysis, Layer
from ..operators.convolution import Convolution
from ..operators.linear import matrix_product
from ..operators.pooling import Pool
from ..operators.windows import transposed_size, window_size
from ..results import Shape
from ..trace.records import Call, Module, Op, Parameter, TensorSpec
from .arithmetic import mac_steps, other_op_steps
from .explainer import explained
from .expression import product
from .outputs import output_steps
from .parameters import activation_steps, parameter_steps
from .recursion import field_steps
from .results import Explained, Explanation, FieldStep, Step
from .rows import children_of, row_named
from .subject import Subject, derived, stated

_UNKNOWN = "a saved analysis does not tell from what"


def explain_saved(analysis: Analysis, name: str) -> Explanation:
    """Explain a row of a saved analysis, as far as its figures go.

    Raises:
        UsageError: no row or several have the name.
    """
    row = row_named(analysis, name)
    spec = analysis.model.spec
    asked = (row.path or "''") + row.repetition
    note = f"read from a file: cnnstat explain {spec} {asked} has the model and tells more"
    if children_of(analysis, row) or not row.outputs:
        return explained(analysis, row, notes=[note])
    subject = _subject(row)
    steps = [
        *output_steps(subject),
        *_figure("params", row.params, parameter_steps(subject)),
        *_figure("macs", row.macs, mac_steps(subject)),
        *_other_ops(subject),
        *_figure("activation_bytes", row.activation_bytes, activation_steps(subject)),
        *field_steps(subject, [(step, 0) for step in _field_step(row)], _UNKNOWN),
    ]
    return explained(analysis, row, subject, steps, notes=[note])


def _figure(figure: Explained, value: int, steps: Sequence[Step]) -> Sequence[Step]:
    """The steps if they come to the figure of the row."""
    parts = [step.result for step in steps if not step.is_sum]
    if sum(part for part in parts if not isinstance(part, tuple)) == value:
        return steps
    return [stated(figure, "", value, _UNKNOWN)]


def _other_ops(subject: Subject) -> Sequence[Step]:
    operations, steps = subject.layer.other_ops, other_op_steps(subject)
    elements = prod(subject.output)
    if steps or not operations or not elements or operations % elements:
        return _figure("other_ops", operations, steps)
    each = operations // elements
    if each == 1:
        return [derived("other_ops", "", product(subject.output), "one for each element")]
    remark = f"{each} for each element of the output"
    return [derived("other_ops", "", product([*subject.output, each]), remark)]


def _subject(row: Layer) -> Subject:
    itemsize = _itemsize(row)
    inputs = tuple(_tensor(shape, itemsize) for shape in row.inputs)
    outputs = tuple(_tensor(shape, itemsize) for shape in row.outputs)
    module = Module(row.path, row.type, row.type, {}) if row.kind == "module" else None
    call = Call(0, None, row.depth, row.path, row.call, row.kind, row.type, module, inputs, outputs,
                row.activation_bytes)  # fmt: skip
    op, weights = _operator(row)
    counted = weights if sum(prod(shape) for shape in weights.values()) == row.params else {}
    parameters = tuple(
        Parameter(f"{row.path}.{name}", row.path, (), shape, "float32", itemsize,
                  not row.frozen_params, False)
        for name, shape in counted.items()
    )  # fmt: skip
    return Subject(call, row, () if op is None else (op,), parameters)


def _itemsize(row: Layer) -> int:
    elements = sum(prod(shape) for shape in row.outputs)
    size = row.activation_bytes // elements if elements else 4
    return size if size in (1, 2, 4, 8, 16) else 4


def _tensor(shape: Shape, itemsize: int = 4, parameter: str | None = None) -> TensorSpec:
    return TensorSpec(0, tuple(shape), f"float{8 * itemsize}", itemsize, parameter)


_Operator = tuple[Op | None, dict[str, Shape]]
"""An operator, and its weights by name."""


def _operator(row: Layer) -> _Operator:
    nothing: _Operator = (None, {})
    if len(row.inputs) < 1 or len(row.outputs) < 1:
        return nothing
    if row.role == "conv" and row.window is not None:
        return _convolution(row) or nothing
    if row.role == "pool" and row.window is not None:
        return _pooling(row), {}
    return (_linear(row) or nothing) if row.role == "linear" else nothing


def _convolution(row: Layer) -> _Operator | None:
    window, x, out = row.window, row.inputs[0], row.outputs[0]
    assert window is not None
    dims = len(window.kernel)
    if len(x) != dims + 2 or not row.macs:
        return None
    transposed = "transpose" in row.type.lower()
    positions = x[0] * prod((x if transposed else out)[2:])
    first, second = (x[1], out[1]) if transposed else (out[1], x[1])
    whole = first * second * prod(window.kernel) * positions
    if whole % row.macs:
        return None
    groups = whole // row.macs
    weights: dict[str, Shape] = {"weight": (first, second // groups, *window.kernel)}
    if row.other_ops == prod(out):
        weights["bias"] = (out[1],)
    beyond = _output_padding(row) if transposed else (0,) * dims
    named = [_tensor(shape, 4, f"{row.path}.{name}") for name, shape in weights.items()]
    bias = named[1] if len(named) > 1 else None
    view = Convolution(_tensor(x), named[0], bias, window.stride, window.padding, window.dilation,
                       transposed, beyond, groups)  # fmt: skip
    return _op("aten.convolution", view.args, out), weights


def _output_padding(row: Layer) -> Shape:
    """What the size of the output leaves for it."""
    window = row.window
    assert window is not None
    sizes = zip(row.inputs[0][2:], row.outputs[0][2:], window.kernel, window.stride, window.padding,
                window.dilation, strict=True)  # fmt: skip
    return tuple(m - transposed_size(n, k, s, p, d) for n, m, k, s, p, d in sizes)


def _pooling(row: Layer) -> Op | None:
    window, x, out = row.window, row.inputs[0], row.outputs[0]
    assert window is not None
    kind = "max" if "max" in row.type.lower() else "avg"
    sizes = zip(x[-len(window.kernel) :], out[-len(window.kernel) :], window.kernel, window.stride,
                window.padding, window.dilation, strict=True)  # fmt: skip
    floored = all(m == window_size(n, k, s, p, d) for n, m, k, s, p, d in sizes)
    view = Pool(_tensor(x), window.kernel, window.stride, window.padding,
                window.dilation if kind == "max" else None, not floored)  # fmt: skip
    return _op(f"aten.{kind}_pool{len(window.kernel)}d", view.args, out)


def _linear(row: Layer) -> _Operator | None:
    x, out = row.inputs[0], row.outputs[0]
    rows = prod(out[:-1])
    if not x or not out or row.macs != rows * x[-1] * out[-1]:
        return None
    weights: dict[str, Shape] = {"weight": (out[-1], x[-1])}
    if row.other_ops == prod(out):
        weights["bias"] = (out[-1],)
    weight = _tensor((x[-1], out[-1]), 4, f"{row.path}.weight")
    vectors = _tensor((rows, x[-1]))
    bias = _tensor((out[-1],), 4, f"{row.path}.bias") if "bias" in weights else None
    view = matrix_product(vectors, weight, bias)
    return _op(view.name, view.args, (rows, out[-1])), weights


def _op(name: str, args: tuple[Any, ...], out: Shape) -> Op:
    return Op(name, "default", args, {}, (_tensor(out),), 0, 0)


def _field_step(row: Layer) -> list[FieldStep]:
    """What a window took, from what it made: j = j' / s, r = r' − (k − 1) · d · j."""
    window, after, jump = row.window, row.receptive_field, row.stride
    if window is None or after is None or jump is None or "ranspose" in row.type:
        return []
    if len(window.kernel) != len(after):
        return []
    before = tuple(
        j // s if j % s == 0 else j / s for j, s in zip(jump, window.stride, strict=True)
    )
    sizes = zip(after, before, window.kernel, window.dilation, strict=True)
    field = tuple(r - (k - 1) * d * j for r, j, k, d in sizes)
    return [FieldStep(row.path, window.kernel, window.dilation, window.stride, field, before,
                      after, jump)]  # fmt: skip
