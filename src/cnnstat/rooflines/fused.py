"""Calls that are recorded as several operators and run as one kernel on a GPU, with its bytes."""

from __future__ import annotations

from dataclasses import dataclass

from ..choices import RooflinePrecision
from ..trace.records import Call, Trace
from .traffic import Traffic


@dataclass(frozen=True, slots=True)
class Moved:
    """Bytes of the forward and of the backward kernel."""

    forward: int
    backward: int


def fused_calls(trace: Trace, precision: RooflinePrecision) -> dict[int, Moved]:
    """By the index of the call."""
    traffic = Traffic(precision)
    fused = {}
    for call in trace.calls:
        operands = traffic.of_tensors((*call.inputs, *call.outputs))
        if call.kind == "function" and call.type == "scaled_dot_product_attention":
            # Scores need not leave the processor (Dao et al. 2022): q, k, v are read, the output
            # is written; then these and dy are read, and dq, dk, dv written.
            fused[call.index] = Moved(operands, 2 * operands)
        elif _is_dropout(call) and call.outputs:
            mask = call.outputs[0].numel  # a byte for each element
            fused[call.index] = Moved(operands + mask, operands + mask)
    return fused


def _is_dropout(call: Call) -> bool:
    if call.module is not None:
        return call.module.base == "Dropout"
    return call.type == "dropout"
