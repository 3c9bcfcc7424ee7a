"""Which parameters get no gradient from the outputs of a run, and what ends it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ..trace.records import Call, Checkpoint, Trace
from .dataflow import common_path


@dataclass(frozen=True, slots=True)
class WithoutGradient:
    """Used parameters that get no gradient from the outputs, of the module at `owner`.

    `end` is the operator that ends the gradient and the call that runs it, None if the result is
    not used or not recorded. `in_checkpoint`: they are used in a reentrant checkpoint none of whose
    inputs has a gradient. `is_recorded` is False where they are used without recording gradients,
    as in `torch.no_grad()`.
    """

    owner: str
    params: int
    end: tuple[str, Call] | None = None
    in_checkpoint: bool = False
    is_recorded: bool = True


# Operators that stop gradients. In eval mode they do not count: a detector detaches its scores.
_BARRIERS = {"aten.detach", "aten.detach_", "aten.argmax", "aten.argmin"}


def without_gradient(trace: Trace) -> Iterator[WithoutGradient]:
    """The modules with used parameters that get no gradient from the outputs.

    A backward pass in train mode shows them. Without one, the operators are followed backwards from
    the outputs of the model; in-place operators then count as reaching the output, because another
    view of the tensor may be part of it.
    """
    if not trace.calls or not trace.calls[0].outputs:
        return
    unfed = _unfed_checkpoints(trace)
    in_unfed = {number for part in unfed for number in range(part.first, part.last)}
    needed = {spec.value for spec in trace.calls[0].outputs}
    reached: set[str] = set()
    used: set[str] = set()
    for number, op in reversed(list(enumerate(trace.ops))):
        parameters = [spec.parameter for spec in op.inputs if spec.parameter is not None]
        used.update(parameters)
        if op.name in _BARRIERS and trace.mode == "train":
            continue
        if number in in_unfed:
            continue
        in_place = op.name.endswith("_") or not op.outputs
        if in_place or any(spec.value in needed for spec in op.outputs):
            needed.update(spec.value for spec in op.inputs)
            reached.update(parameters)
    with_gradient = reached
    if trace.mode == "train" and trace.backward is not None and trace.backward.reached is not None:
        with_gradient = set(trace.backward.reached)
    yield from _in_checkpoints(trace, in_unfed, used - with_gradient)
    inside = _used_in(trace, in_unfed)
    owners: Counter[str] = Counter()
    names: dict[str, set[str]] = {}
    for parameter in trace.parameters:
        if parameter.name in inside:
            continue
        if parameter.trainable and parameter.name in used - with_gradient:
            owners[parameter.owner] += parameter.numel
            names.setdefault(parameter.owner, set()).add(parameter.name)
    for owner, params in owners.items():
        if names[owner] <= reached:
            yield WithoutGradient(owner, params, is_recorded=False)
        else:
            yield WithoutGradient(owner, params, _end(trace, names[owner]))


def _end(trace: Trace, parameters: set[str]) -> tuple[str, Call] | None:
    """The first operator that ends the gradient of what is computed from these parameters."""
    behind: set[int] = set()
    for op in trace.ops:
        if any(t.parameter in parameters or t.value in behind for t in op.inputs):
            if op.name in _BARRIERS and trace.mode == "train" and op.call >= 0:
                return op.name.removeprefix("aten."), trace.calls[op.call]
            behind.update(tensor.value for tensor in op.outputs)
    return None


def _unfed_checkpoints(trace: Trace) -> list[Checkpoint]:
    """The reentrant checkpoints none of whose inputs depends on a trained parameter.

    Autograd does not see what runs inside, so the inputs alone decide whether there is a gradient.
    """
    if not trace.checkpoints:
        return []
    trained = {p.name for p in trace.parameters if p.trainable and not p.buffer}
    ends = {part.last: part for part in trace.checkpoints}
    fed: set[int] = set()
    unfed = []
    for number, op in enumerate(trace.ops):
        if (part := ends.get(number)) is not None and fed.isdisjoint(part.inputs):
            unfed.append(part)
            inside = trace.ops[part.first : part.last]
            fed.difference_update(tensor.value for o in inside for tensor in o.outputs)
        if any(t.parameter in trained or t.value in fed for t in op.inputs):
            fed.update(tensor.value for tensor in op.outputs)
    last = ends.get(len(trace.ops))
    return [*unfed, last] if last is not None and fed.isdisjoint(last.inputs) else unfed


def _used_in(trace: Trace, numbers: set[int]) -> set[str]:
    """The parameters that these operators use."""
    specs = (spec for number in numbers for spec in trace.ops[number].inputs)
    return {spec.parameter for spec in specs if spec.parameter is not None}


def _in_checkpoints(
    trace: Trace, numbers: set[int], unreached: set[str]
) -> Iterator[WithoutGradient]:
    inside = _used_in(trace, numbers) & unreached
    owners: Counter[str] = Counter()
    for parameter in trace.parameters:
        if parameter.trainable and not parameter.buffer and parameter.name in inside:
            owners[parameter.owner] += parameter.numel
    if owners:
        yield WithoutGradient(common_path(list(owners)), sum(owners.values()), in_checkpoint=True)
