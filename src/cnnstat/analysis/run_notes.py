"""Sentences on how a model was run and what it did, which are notes of its analysis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ..inputs import format_shape
from ..operators.registry import COMPLEX, Trait, cost_of, traits_of
from ..trace.records import Parameter, Trace
from .dataflow import returns_nothing


def complex_notes(params: Sequence[Parameter]) -> Iterator[str]:
    elements = sum(p.numel for p in params if p.dtype in COMPLEX)
    if elements:
        yield (
            f"{elements:,} parameters are complex: each counts once and has two real numbers, "
            "and a complex MAC counts as four real ones"
        )


# Dimensions of an input without a batch, by the layer that accepts it.
_UNBATCHED = {
    "Conv1d": 2, "Conv2d": 3, "Conv3d": 4, "ConvTranspose1d": 2, "ConvTranspose2d": 3,
    "ConvTranspose3d": 4, "RNN": 2, "LSTM": 2, "GRU": 2,
}  # fmt: skip


def _unbatched(trace: Trace) -> Iterator[str]:
    """A note where the first layer takes an input of the model as one example without a batch."""
    shapes = {item.tensor.shape for item in trace.inputs}
    for call in trace.calls:
        known = _UNBATCHED.get(call.module.base) if call.module and call.inputs else None
        if known is None:
            continue
        shape = call.inputs[0].shape
        if shape in shapes and len(shape) == known and call.module:
            yield (
                f"the input {format_shape(shape)} is taken as one example without a batch "
                f"dimension at {call.path or call.type} ({call.module.base}); a batch of one is "
                f"{format_shape((1, *shape))}"
            )
        return


def _left_out(trace: Trace) -> Iterator[str]:
    """A note for each operator whose other operations are not known without values."""
    ops = (*trace.ops, *(trace.backward.ops if trace.backward is not None else ()))
    searches = {name for name in {op.name for op in ops} if Trait.SEARCHES in traits_of(name)}
    found: Counter[tuple[str, str]] = Counter()
    for op in ops:
        cost = cost_of(op) if op.name in searches else None
        if cost is not None and cost.left_out:
            found[op.name, cost.left_out] += 1
    for (name, reason), count in found.items():
        yield f"other operations do not include {name} ({count}×): {reason}"


def _nested(trace: Trace) -> Iterator[str]:
    """A note where the first nested tensor is, whose shape does not say how long its rows are."""
    for call in trace.calls:
        for tensor in (*call.inputs, *call.outputs):
            if tensor.ragged:
                axes = " and ".join(map(str, tensor.ragged))
                shape = format_shape(tensor.shape)
                yield (
                    f"nested tensors: the rows of {shape} at {call.path or call.type} differ in "
                    f"axis {axes}, which has the size of the longest; costs and bytes are those "
                    "of the actual lengths"
                )
                return


def run_notes(trace: Trace) -> Iterator[str]:
    yield from _unbatched(trace)
    yield from _left_out(trace)
    yield from _nested(trace)
    by_formula = dict.fromkeys(op.name for op in trace.ops if op.flops is not None)
    if by_formula:
        yield (
            f"counted by the formulas that were registered with torch, half their FLOPs as MACs: "
            f"{', '.join(by_formula)}"
        )
    if trace.backward is not None:
        yield from trace.backward.notes
    for name, params in trace.created.items():
        yield (
            f"{name} is created in forward: its {params:,} parameters are in the totals, but an "
            "optimizer created before the first run does not have them"
        )
    if returns_nothing(trace):
        yield "forward returns None: is a return missing?"
    if trace.split_by:
        yield (
            f"the model is split over processes ({', '.join(trace.split_by)}): the figures are "
            "those of the whole model in one process, without mixed precision"
        )
    if trace.lane_reason is not None:
        yield f"run on the {trace.lane} lane: {trace.lane_reason}"
    if trace.devices:
        named = ", ".join(
            f"{device} at {place}" if place else device for device, place in trace.devices.items()
        )
        yield (
            f"the code asks for {named}: it was run on the device of the {trace.lane} lane; "
            "device=x.device runs anywhere"
        )
