"""The depth of a network as its name counts it: the layers with weights on the longest path.

ResNet-18 and VGG-16 carry this number in their names (projection shortcuts and normalisations
are not counted); it is found here from the data flow, so it holds for networks without a name.
"""

from __future__ import annotations

from ..operators.recurrent import Recurrent
from ..operators.registry import cost_of, view_of
from ..trace.records import Op, Trace


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
