"""Sizes that depend on values, and what of the cost stands behind them.

A detector keeps as many boxes as it finds. Without data such a size is taken at its largest, so
what follows is an upper bound; the part before it is exact.
"""

from __future__ import annotations

from collections import Counter

from ..operators.registry import Trait, cost_of, traits_of
from ..trace.records import Op, Trace
from .results import Bounded, BoundedPart


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
