"""A batch that is mixed into other axes: no error, and rows that are no longer those of one image.

Told by two runs on different batches. `x.view(-1, 400)` on 25 images of 256 features gives 16
rows; on 26 images it gives none at all.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..analysis.results import warning
from ..inputs import format_shape
from ..trace.records import Call, Failure, Trace

_LAYING_OUT = {"view", "reshape", "flatten", "unflatten", "view_as", "reshape_as", "resize"}


def is_suspicious(trace: Trace) -> bool:
    """Whether the first output has not as many rows as there are images in the batch."""
    if len(trace.inputs) == 0 or not trace.calls or not trace.calls[0].outputs:
        return False
    given, made = trace.inputs[0].tensor.shape, trace.calls[0].outputs[0].shape
    return len(given) > 1 and len(made) > 0 and made[0] != given[0]


def mixed(trace: Trace, larger: Trace | Failure) -> str | None:
    """What mixes the batch; None where nothing does.

    `larger` is the run on one image more, or how that failed.
    """
    rows = trace.inputs[0].tensor.shape[0]
    if isinstance(larger, Failure):
        call = larger.calls[-1] if larger.calls else None
        if call is None or call.type.lower() not in _LAYING_OUT:
            return None
        before = next((c for c in trace.calls if (c.path, c.call) == (call.path, call.call)), None)
        return _told(before, rows) if before is not None else None
    output, more = trace.calls[0].outputs[0].shape, larger.calls[0].outputs[0].shape
    if len(output) != len(more) or rows in output or output[0] * (rows + 1) != more[0] * rows:
        return None  # it has no axis of the batch in front, or has it elsewhere
    for before, after in _pairs(trace, larger):
        loses_it = _given(before) == rows and _first(before) != rows
        in_proportion = _first(before) * (rows + 1) == _first(after) * rows
        if before.type.lower() in _LAYING_OUT and loses_it and in_proportion:
            return _told(before, rows)
    return None


def _pairs(trace: Trace, larger: Trace) -> Iterator[tuple[Call, Call]]:
    return zip(trace.calls, larger.calls, strict=False)


def _given(call: Call) -> int:
    return call.inputs[0].shape[0] if call.inputs and call.inputs[0].shape else 0


def _first(call: Call) -> int:
    return call.outputs[0].shape[0] if call.outputs and call.outputs[0].shape else 0


def _told(call: Call, rows: int) -> str | None:
    if not call.outputs or not call.inputs:
        return None
    given, made = call.inputs[0].shape, call.outputs[0].shape
    name = f"{call.path}()" if call.kind == "function" else f"{call.path} ({call.type})"
    return warning(
        f"{name} mixes the batch into other axes: {format_shape(given)} becomes "
        f"{format_shape(made)}, {made[0]} rows of {rows} images; keep it with .flatten(1)"
    )
