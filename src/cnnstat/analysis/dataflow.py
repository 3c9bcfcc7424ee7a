"""Figures from the data flow of a run: peak memory, depth, data-dependent sizes.

A detector keeps as many boxes as it finds. Without data such a size is assumed to be at its
maximum, so the cost of everything after it is an upper bound; the cost before it is exact.
"""

from __future__ import annotations

import re
from collections import Counter

from ..operators.registry import cost_of, view_of
from ..operators.sequences import Recurrent
from ..operators.value_origins import Origins
from ..operators.value_sizes import deciding, is_largest, sized
from ..trace.records import Op, Trace
from .results import Bounded, BoundedPart


def peak_bytes(trace: Trace) -> int:
    """Parameters and buffers plus the maximum of live activations, including the input.

    It excludes workspaces (cuDNN's, MKL's) and the allocator's rounding.
    """
    resident = sum(parameter.nbytes for parameter in trace.parameters)
    return resident + max((op.live_bytes for op in trace.ops), default=trace.input_bytes)


def depth_of(trace: Trace) -> int:
    """The number of layers with weights on the longest path through the run.

    These are products with a parameter (convolution, linear, …), the definition behind the numbers
    of ResNet-18 and VGG-16; projection shortcuts and normalisations do not count. A recurrent
    layer counts its layers, not its time steps, as one operator and unrolled.
    """
    depth: dict[int, int] = {}
    recurrent = _recurrent_calls(trace)
    for op in trace.ops:
        before = max((depth.get(tensor.value, 0) for tensor in op.inputs), default=0)
        inside = recurrent.get(op.call)
        if inside is None:
            after = before + _layers(op)
            depth.update((tensor.value, after) for tensor in op.outputs)
        else:
            layers, results = inside
            for tensor in op.outputs:
                depth[tensor.value] = before + (layers if tensor.value in results else 0)
    return max(depth.values(), default=0)


def _recurrent_calls(trace: Trace) -> dict[int, tuple[int, frozenset[int]]]:
    """The number of layers and the results of each call of a recurrent layer, by its index."""
    weights = Counter(
        parameter.owner
        for parameter in trace.parameters
        if _FIRST_WEIGHTS.fullmatch(parameter.name.rpartition(".")[2])
    )
    found = {}
    for call in trace.calls:
        if call.module is not None and call.module.base in _RECURRENT:
            layers = call.module.settings.get("num_layers") or weights[call.path]
            if layers:
                found[call.index] = layers, frozenset(tensor.value for tensor in call.outputs)
    return found


_RECURRENT = ("LSTM", "GRU", "RNN")
_FIRST_WEIGHTS = re.compile(r"weight_ih_l\d+")  # one for each layer, without the reverse direction


def _layers(op: Op) -> int:
    cost = cost_of(op)
    if cost is None or not cost.macs or not any(t.parameter for t in op.inputs):
        return 0
    view = view_of(op)
    return view.layers if isinstance(view, Recurrent) else 1


def bounded_by(trace: Trace) -> Bounded | None:
    """The cost that depends on data-dependent sizes; None if no size depends on values."""
    ops: Counter[str] = Counter()
    behind: set[int] = set()  # values that depend on such a size, by number
    fixed = 0
    macs: Counter[int] = Counter()
    calls: dict[int, list[str]] = {}
    origins = Origins(trace)
    for index, op in enumerate(trace.ops):
        cost = cost_of(op)
        amount = cost.macs if cost is not None else 0
        if any(tensor.value in behind for tensor in op.inputs):
            behind.update(tensor.value for tensor in op.outputs)
            if amount:
                rows = op.outputs[0].shape[0]
                macs[rows] += amount
                calls.setdefault(rows, []).append(trace.calls[op.call].path)
        else:
            fixed += amount
        if _has_size_by_value(op, index, trace, origins):
            ops[op.name] += 1
            behind.update(tensor.value for tensor in sized(op))
    if not ops:
        return None
    parts = tuple(
        BoundedPart(rows=rows, macs=total, path=common_path(calls[rows]))
        for rows, total in macs.items()
    )
    return Bounded(ops=dict(ops), fixed_macs=fixed, parts=parts)


def _has_size_by_value(op: Op, index: int, trace: Trace, origins: Origins) -> bool:
    operands = deciding(op)
    if not operands:
        return False
    if trace.lane != "cpu" and is_largest(op):
        return True
    return origins.of(operands, index) is not None  # else the values follow from shapes alone


def common_path(paths: list[str]) -> str:
    """The innermost module that contains all the paths."""
    split = [path.split(".") for path in paths]
    shared = []
    for names in zip(*split, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return ".".join(shared)


def returns_nothing(trace: Trace) -> bool:
    """Whether forward computes something and returns None."""
    return bool(trace.ops and trace.returns_none)


def returns_other_rows(trace: Trace) -> bool:
    """Whether the first output has another number of rows than the first input."""
    if len(trace.inputs) == 0 or not trace.calls or not trace.calls[0].outputs:
        return False
    shape, output = trace.inputs[0].tensor.shape, trace.calls[0].outputs[0].shape
    return len(shape) > 1 and len(output) > 0 and output[0] != shape[0]
