"""Explanations of rows of a saved analysis, from their figures alone.

A row has shapes, a window and figures, but no operators. The arguments of a convolution, pooling or
linear layer follow from them: its operator is restored, and used for the figures that it
reproduces. The file has no data flow and no individual tensors (decision 23).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..analysis.results import Analysis, Layer
from ..operators.convolution import Convolution
from ..operators.linear import matrix_product
from ..operators.pooling import Pool
from ..operators.registry import View
from ..operators.shape_rules import transposed_size, window_size
from ..results import Shape
from ..trace.records import Call, Module, Parameter, TensorSpec
from .arithmetic import mac_steps, other_op_steps
from .explainer import explained
from .expression import product
from .outputs import output_steps
from .parameters import activation_steps, parameter_steps
from .recursion import field_steps
from .results import Explained, Explanation, FieldStep, Step
from .rows import children_of, row_named
from .subject import Operation, Subject, derived, stated

_UNKNOWN = "a saved analysis does not tell from what"


def explain_saved(analysis: Analysis, name: str) -> Explanation:
    """Explain a row of a saved analysis, as far as its figures go.

    Raises:
        UsageError: no row or several have the name.
    """
    row = row_named(analysis, name)
    spec = analysis.model.spec
    layer = (row.path or "''") + row.repetition
    note = f"read from a file: cnnstat explain {spec} {layer} has the model and tells more"
    if children_of(analysis, row) or not row.outputs:
        return explained(analysis, row, notes=[note])
    subject = _subject(row)
    steps = [
        *output_steps(subject),
        *_confirmed("params", row.params, parameter_steps(subject)),
        *_confirmed("macs", row.macs, mac_steps(subject)),
        *_other_ops(subject),
        *_confirmed("activation_bytes", row.activation_bytes, activation_steps(subject)),
        *field_steps(subject, [(step, 0) for step in _field_step(row)], _UNKNOWN),
    ]
    return explained(analysis, row, subject, steps, notes=[note])


def _confirmed(figure: Explained, value: int, steps: Sequence[Step]) -> Sequence[Step]:
    """The steps if they add up to the figure of the row, else the figure alone."""
    parts = [step.result for step in steps if not step.is_sum]
    if sum(part for part in parts if not isinstance(part, tuple)) == value:
        return steps
    return [stated(figure, "", value, _UNKNOWN)]


def _other_ops(subject: Subject) -> Sequence[Step]:
    operations, steps = subject.layer.other_ops, other_op_steps(subject)
    elements = prod(subject.output)
    if steps or not operations or not elements or operations % elements:
        return _confirmed("other_ops", operations, steps)
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
    operation, weights = _restored(row)
    counted = weights if sum(prod(shape) for shape in weights.values()) == row.params else {}
    parameters = tuple(
        Parameter(name, row.path, (), shape, "float32", itemsize, not row.frozen_params, False)
        for name, shape in counted.items()
    )
    return Subject(call, row, () if operation is None else (operation,), parameters)


def _itemsize(row: Layer) -> int:
    elements = sum(prod(shape) for shape in row.outputs)
    size = row.activation_bytes // elements if elements else 4
    return size if size in (1, 2, 4, 8, 16) else 4


def _tensor(shape: Shape, itemsize: int = 4, parameter: str | None = None) -> TensorSpec:
    return TensorSpec(0, tuple(shape), f"float{8 * itemsize}", itemsize, parameter)


_Restored = tuple[Operation | None, dict[str, Shape]]
"""An operator, and the shapes of its weights by name."""


def _restored(row: Layer) -> _Restored:
    if row.inputs and row.outputs:
        if row.role == "conv" and row.window is not None:
            return _convolution(row)
        if row.role == "pool" and row.window is not None:
            return _pooling(row)
        if row.role == "linear":
            return _linear(row)
    return None, {}


def _operation(name: str, view: View, *weights: TensorSpec | None) -> _Restored:
    shapes = {w.parameter: w.shape for w in weights if w is not None and w.parameter is not None}
    return Operation(name, view, view.cost(), tuple(shapes)), shapes


def _weight(row: Layer, shape: Shape) -> TensorSpec:
    return _tensor(shape, 4, f"{row.path}.weight")


def _bias(row: Layer, features: int) -> TensorSpec | None:
    """A bias, if the layer does one operation per element of its output."""
    if row.other_ops != prod(row.outputs[0]):
        return None
    return _tensor((features,), 4, f"{row.path}.bias")


def _convolution(row: Layer) -> _Restored:
    window, x, out = row.window, row.inputs[0], row.outputs[0]
    assert window is not None
    dims = len(window.kernel)
    if len(x) != dims + 2 or not row.macs:
        return None, {}
    transposed = "transpose" in row.type.lower()
    positions = x[0] * prod((x if transposed else out)[2:])
    first, second = (x[1], out[1]) if transposed else (out[1], x[1])
    ungrouped = first * second * prod(window.kernel) * positions
    if ungrouped % row.macs:
        return None, {}
    groups = ungrouped // row.macs
    weight, bias = _weight(row, (first, second // groups, *window.kernel)), _bias(row, out[1])
    padding = _output_padding(row) if transposed else (0,) * dims
    view = Convolution(
        _tensor(x), weight, bias, window.stride, window.padding,
        window.dilation, transposed, padding, groups, out=_tensor(out),
    )  # fmt: skip
    return _operation("aten.convolution", view, weight, bias)


def _output_padding(row: Layer) -> Shape:
    """The output padding: the output size less that without output padding."""
    window = row.window
    assert window is not None
    sizes = zip(row.inputs[0][2:], row.outputs[0][2:], window.kernel, window.stride, window.padding,
                window.dilation, strict=True)  # fmt: skip
    return tuple(m - transposed_size(n, k, s, p, d) for n, m, k, s, p, d in sizes)


def _pooling(row: Layer) -> _Restored:
    window, x, out = row.window, row.inputs[0], row.outputs[0]
    assert window is not None
    dims = len(window.kernel)
    kind = "max" if "max" in row.type.lower() else "avg"
    sizes = zip(x[-dims:], out[-dims:], window.kernel, window.stride, window.padding,
                window.dilation, strict=True)  # fmt: skip
    floored = all(m == window_size(n, k, s, p, d) for n, m, k, s, p, d in sizes)
    dilation = window.dilation if kind == "max" else None
    view = Pool(_tensor(x), window.kernel, window.stride, window.padding, dilation, not floored,
                outputs=(_tensor(out),))  # fmt: skip
    return _operation(f"aten.{kind}_pool{dims}d", view)


def _linear(row: Layer) -> _Restored:
    x, out = row.inputs[0], row.outputs[0]
    rows = prod(out[:-1])
    if not x or not out or row.macs != rows * x[-1] * out[-1]:
        return None, {}
    weight, bias = _weight(row, (out[-1], x[-1])), _bias(row, out[-1])
    transposed = _tensor((x[-1], out[-1]), 4, weight.parameter)  # as the operator reads it
    view = matrix_product(_tensor((rows, x[-1])), transposed, bias)
    return _operation(view.name, view, weight, bias)


def _field_step(row: Layer) -> list[FieldStep]:
    """The step of a window, from its result: j = j' / s, r = r' − (k − 1) · d · j."""
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
