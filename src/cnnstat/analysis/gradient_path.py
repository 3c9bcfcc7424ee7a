"""Parameters that are used and yet do not reach the output: no gradient will reach them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..trace.records import Trace

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
