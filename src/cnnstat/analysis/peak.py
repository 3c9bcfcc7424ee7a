"""The most bytes that a run holds at once."""

from __future__ import annotations

from ..trace.records import Trace


def peak_bytes(trace: Trace) -> int:
    """Parameters and buffers, plus the activations alive at the worst moment, the input included.

    A device's workspace (cuDNN's, MKL's) and the allocator's rounding are not in it.
    """
    resident = sum(parameter.nbytes for parameter in trace.parameters)
    return resident + max((op.live_bytes for op in trace.ops), default=trace.input_bytes)
