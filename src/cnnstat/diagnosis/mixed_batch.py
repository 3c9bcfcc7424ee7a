"""A batch that is mixed into other axes: no error, and rows that are no longer those of one image.

Found by two runs on different batches. `x.view(-1, 400)` on 25 images of 256 features returns 16
rows; on 26 images it fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..choices import Mode
from ..errors import ModelError
from ..inputs import InputSpec, format_shape
from ..run_config import RunConfig
from ..trace.records import Call, Failure, Trace

if TYPE_CHECKING:
    from ..models.loaded import Loaded

_RESHAPES = {"view", "reshape", "flatten", "unflatten", "view_as", "reshape_as", "resize"}


def is_suspicious(trace: Trace) -> bool:
    """Whether the first output has another number of rows than the first input."""
    if len(trace.inputs) == 0 or not trace.calls or not trace.calls[0].outputs:
        return False
    shape, output = trace.inputs[0].tensor.shape, trace.calls[0].outputs[0].shape
    return len(shape) > 1 and len(output) > 0 and output[0] != shape[0]


def mixed_batch(loaded: Loaded, mode: Mode, first: Trace) -> list[str]:
    """The warning about a mixed batch, if any, from a second run; `first` is the usual run."""
    # Imported here: most runs are not suspicious.
    from ..tracing.run.trace import trace
    from .subjects import quietly

    inputs = [_one_more(value) for value in loaded.inputs]
    named = {name: _one_more(value) for name, value in loaded.named_inputs.items()}
    if None in inputs or None in named.values() or first.lane != "meta":
        return []
    second: Trace | Failure
    with quietly():
        try:
            second = trace(loaded.builders.without_data(), inputs, named, RunConfig(mode))
        except ModelError as error:
            if error.failure is None:
                return []
            second = error.failure
    warning = _warning(first, second)
    return [warning] if warning else []


def _one_more(value: object) -> InputSpec | None:
    """The input with one image more."""
    if not isinstance(value, InputSpec) or not value.shape:
        return None
    return replace(value, shape=(value.shape[0] + 1, *value.shape[1:]))


def _warning(trace: Trace, larger: Trace | Failure) -> str | None:
    """`larger` is the run on one image more, or how that failed."""
    rows = trace.inputs[0].tensor.shape[0]
    if isinstance(larger, Failure):
        call = larger.calls[-1] if larger.calls else None
        if call is None or call.type.lower() not in _RESHAPES:
            return None
        before = next((c for c in trace.calls if (c.path, c.call) == (call.path, call.call)), None)
        return _worded(before, rows) if before is not None else None
    output, more = trace.calls[0].outputs[0].shape, larger.calls[0].outputs[0].shape
    if len(output) != len(more) or rows in output or output[0] * (rows + 1) != more[0] * rows:
        return None  # the batch is another axis of the output, or is reduced
    for before, after in _pairs(trace, larger):
        loses_batch = _input_rows(before) == rows and _output_rows(before) != rows
        in_proportion = _output_rows(before) * (rows + 1) == _output_rows(after) * rows
        if before.type.lower() in _RESHAPES and loses_batch and in_proportion:
            return _worded(before, rows)
    return None


def _pairs(trace: Trace, larger: Trace) -> Iterator[tuple[Call, Call]]:
    return zip(trace.calls, larger.calls, strict=False)


def _input_rows(call: Call) -> int:
    return call.inputs[0].shape[0] if call.inputs and call.inputs[0].shape else 0


def _output_rows(call: Call) -> int:
    return call.outputs[0].shape[0] if call.outputs and call.outputs[0].shape else 0


def _worded(call: Call, rows: int) -> str | None:
    if not call.outputs or not call.inputs:
        return None
    shape, output = call.inputs[0].shape, call.outputs[0].shape
    name = f"{call.path}()" if call.kind == "function" else f"{call.path} ({call.type})"
    return (
        f"warning: {name} mixes the batch into other axes: {format_shape(shape)} becomes "
        f"{format_shape(output)}, {output[0]} rows of {rows} images; keep it with .flatten(1)"
    )
