"""The operators as `torch.jit` records them: for the counters that walk its graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...operators.registry import Trait, traits_of
from ...trace.records import Op, Trace
from ..differences import macs_of, module_paths
from ..results import Cause

UNUSED: tuple[Cause, str] = ("unseen", "results that no output depends on")


@dataclass(frozen=True, slots=True)
class Unit:
    """An operator of the graph, and our MACs of all that it consists of.

    `used` is false where no output of the model depends on it: it is cut off.
    """

    op: Op
    path: str
    macs: int
    used: bool

    @property
    def name(self) -> str:
        """`linear` for `aten.linear`; in-place forms count as the plain ones."""
        return self.op.name.removeprefix("aten.").removesuffix("_")


def units(trace: Trace) -> Iterator[Unit]:
    """The operators of the graph: the outermost composite around each that ran, in order."""
    outermost: list[int | None] = []  # for each composite the one that stands for it
    for number, op in enumerate(trace.composites):
        around = None if op.within is None else outermost[op.within]
        seen = None if op.name in _SEEN_THROUGH else number
        outermost.append(seen if around is None else around)
    recorded: dict[tuple[bool, int], Op] = {}
    macs: Counter[tuple[bool, int]] = Counter()
    for number, op in enumerate(trace.ops):
        around = None if op.within is None else outermost[op.within]
        key = (False, number) if around is None else (True, around)
        recorded.setdefault(key, op if around is None else trace.composites[around])
        macs[key] += macs_of(op)
    used = _used(trace, list(recorded.values()))
    paths = module_paths(trace)
    for (key, op), needed in zip(recorded.items(), used, strict=True):
        yield Unit(op, paths[op.call] if op.call >= 0 else "", macs[key], needed)


# What torch.jit leaves out of its graph and records the inside of: DONT_RECORD_TRACE in torch's
# tools/autograd/gen_trace_type.py.
_SEEN_THROUGH = frozenset({
    "aten.conv1d", "aten.conv2d", "aten.conv3d", "aten.conv_transpose1d", "aten.conv_transpose2d",
    "aten.conv_transpose3d", "aten.lstm_cell", "aten.gru_cell", "aten.rnn_tanh_cell",
    "aten.rnn_relu_cell",
})  # fmt: skip


def _used(trace: Trace, recorded: Sequence[Op]) -> list[bool]:
    """For each operator whether the model's outputs depend on it.

    What is copied into a view of a tensor is part of that tensor.
    """
    results = {tensor.value for tensor in trace.calls[0].outputs} if trace.calls else set()
    if not results:  # it returns something that holds no tensors that we know of
        return [True] * len(recorded)
    base: dict[int, int] = {}
    for op in trace.ops:
        if Trait.LAYOUT in traits_of(op.name) and op.inputs:
            viewed = op.inputs[0].value
            base.update((out.value, base.get(viewed, viewed)) for out in op.outputs)
    used = []
    for op in reversed(recorded):
        made = {tensor.value for tensor in op.outputs}
        if op.name.endswith("_"):
            made |= {base[value] for value in made if value in base}
        needed = not made.isdisjoint(results)
        if needed:
            results.update(tensor.value for tensor in op.inputs)
        used.append(needed)
    return used[::-1]
