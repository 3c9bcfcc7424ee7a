"""The depth of a network as its name counts it: the layers with weights on the longest path.

ResNet-18 and VGG-16 carry this number in their names (projection shortcuts and normalisations
are not counted); it is found here from the data flow, so it holds for networks without a name.
"""

from __future__ import annotations

from ..costs import cost_of
from ..tracing.records import Op, Trace


def depth_of(trace: Trace) -> int:
    """Products with a parameter (convolution, linear, …) on the longest path through the run."""
    depth: dict[int, int] = {}
    for op in trace.ops:
        before = max((depth.get(tensor.value, 0) for tensor in op.inputs), default=0)
        after = before + _is_weighted(op)
        for tensor in op.outputs:
            depth[tensor.value] = after
    return max(depth.values(), default=0)


def _is_weighted(op: Op) -> bool:
    cost = cost_of(op)
    return cost is not None and cost.macs > 0 and any(t.parameter for t in op.inputs)
