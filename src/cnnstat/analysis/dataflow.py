"""Figures that follow values through a run: peak memory, depth, bounded sizes, gradients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..operators.registry import Trait, cost_of, traits_of, view_of
from ..operators.sequences import Recurrent
from ..trace.records import Op, Trace
from .results import Bounded, BoundedPart


def peak_bytes(trace: Trace) -> int:
    """Parameters and buffers, plus the activations alive at the worst moment, the input included.

    A device's workspace (cuDNN's, MKL's) and the allocator's rounding are not in it.
    """
    resident = sum(parameter.nbytes for parameter in trace.parameters)
    return resident + max((op.live_bytes for op in trace.ops), default=trace.input_bytes)


def depth_of(trace: Trace) -> int:
    """Products with a parameter (convolution, linear, …) on the longest path through the run.

    A recurrent operator counts the layers that it runs, not their time steps.
    """
    depth: dict[int, int] = {}
    for op in trace.ops:
        before = max((depth.get(tensor.value, 0) for tensor in op.inputs), default=0)
        after = before + _layers(op)
        for tensor in op.outputs:
            depth[tensor.value] = after
    return max(depth.values(), default=0)


def _layers(op: Op) -> int:
    cost = cost_of(op)
    if cost is None or not cost.macs or not any(t.parameter for t in op.inputs):
        return 0
    view = view_of(op)
    return view.layers if isinstance(view, Recurrent) else 1


def bounded_by(trace: Trace) -> Bounded | None:
    """What depends on sizes that depend on values; None if nothing does."""
    ops: Counter[str] = Counter()
    behind: set[int] = set()  # numbers of the values that depend on such a size
    fixed = 0
    macs: Counter[int] = Counter()
    calls: dict[int, list[str]] = {}
    for op in trace.ops:
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
        if _has_size_by_value(op):
            ops[op.name] += 1
            behind.update(tensor.value for tensor in op.outputs)
    if not ops:
        return None
    parts = tuple(
        BoundedPart(rows=rows, macs=total, path=_common(calls[rows]))
        for rows, total in macs.items()
    )
    return Bounded(ops=dict(ops), fixed_macs=fixed, parts=parts)


def _has_size_by_value(op: Op) -> bool:
    if op.name == "aten.index":  # x[mask]
        return any(tensor.dtype in ("bool", "uint8") for tensor in op.inputs[1:])
    return Trait.VALUE_SIZED in traits_of(op.name)


def _common(paths: list[str]) -> str:
    """The innermost module around all the paths."""
    split = [path.split(".") for path in paths]
    shared = []
    for names in zip(*split, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return ".".join(shared)


# Where gradients end. While training only: a detector detaches what it ranks when it is used.
_BARRIERS = {"aten.detach", "aten.detach_", "aten.argmax", "aten.argmin"}


def unreached(trace: Trace) -> Iterator[str]:
    """A sentence for each module whose parameters no output depends on in a differentiable way.

    Followed backwards through the operators, from the outputs of the model. What is changed in
    place may be seen through another view of it: such operators count as reaching the output.
    """
    if not trace.calls or not trace.calls[0].outputs:
        return
    needed = {spec.value for spec in trace.calls[0].outputs}
    reached: set[str] = set()
    used: set[str] = set()
    for op in reversed(trace.ops):
        parameters = [spec.parameter for spec in op.inputs if spec.parameter is not None]
        used.update(parameters)
        if op.name in _BARRIERS and trace.mode == "train":
            continue
        in_place = op.name.endswith("_") or not op.outputs
        if in_place or any(spec.value in needed for spec in op.outputs):
            needed.update(spec.value for spec in op.inputs)
            reached.update(parameters)
    lost: Counter[str] = Counter()
    for parameter in trace.parameters:
        if parameter.trainable and parameter.name in used and parameter.name not in reached:
            lost[parameter.owner] += parameter.numel
    for owner, params in lost.items():
        place = owner or trace.model
        yield f"{place} does not reach the output: its {params:,} parameters get no gradient"
