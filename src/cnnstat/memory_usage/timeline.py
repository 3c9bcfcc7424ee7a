"""The memory of a step at each of its operators, and notes on what the figures include."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import ceil

from ..trace.step_records import Step, Storage
from .results import KINDS, BytesByKind, LayerActivations, Moment

BLOCK = 512
"""Bytes: torch's CUDA allocator rounds every storage up to a multiple of this size
(`kMinBlockSize` in c10/core/AllocatorConfig.h)."""
SECTIONS = 160
"""The largest number of sections of a timeline."""


class Timeline:
    """The memory of a step at each of its operators, on CUDA rounded as its allocator does.

    On CUDA, storages in host memory do not count.
    """

    def __init__(self, step: Step, device: str) -> None:
        self.step = step
        self.on_cuda = device == "cuda"
        count = len(step.operators)
        changes = {kind: [0] * (count + 1) for kind in KINDS}
        for storage in step.storages:
            nbytes = self.bytes_of(storage)
            changes[storage.kind][max(0, storage.born)] += nbytes
            if storage.freed is not None:
                changes[storage.kind][storage.freed] -= nbytes
        self._by_kind = {kind: list(accumulate(n))[:count] for kind, n in changes.items()}
        self.totals = [sum(kinds) for kinds in zip(*self._by_kind.values(), strict=True)]

    def bytes_of(self, storage: Storage) -> int:
        if not self.on_cuda:
            return storage.nbytes
        return 0 if storage.on_host else ceil(storage.nbytes / BLOCK) * BLOCK

    @property
    def peak(self) -> Moment:
        return self._highest(range(len(self.totals)))

    def phases(self) -> Iterator[Moment]:
        """The moment of highest use of each phase, in order."""
        numbers: dict[str, list[int]] = defaultdict(list)
        for number, operator in enumerate(self.step.operators):
            numbers[operator.phase].append(number)
        yield from (self._highest(found) for found in numbers.values())

    def moments(self) -> Iterator[Moment]:
        """The moment of highest use of each section; a section is part of one phase."""
        length = ceil(len(self.totals) / SECTIONS)
        section: list[int] = []
        for number, operator in enumerate(self.step.operators):
            first = section and self.step.operators[section[0]]
            if first and (len(section) == length or first.phase != operator.phase):
                yield self._highest(section)
                section = []
            section.append(number)
        if section:
            yield self._highest(section)

    def activations_by_layer(self) -> tuple[LayerActivations, ...]:
        """The activations that each layer keeps for the backward pass, largest first."""
        bytes_of_place: dict[int, int] = defaultdict(int)
        forward = sum(o.phase in ("forward", "loss") for o in self.step.operators)
        for storage in self.step.storages:
            if storage.kind == "activations" and storage.born < forward:
                bytes_of_place[storage.place] += self.bytes_of(storage)
        places = [(self.step.places[place], n) for place, n in bytes_of_place.items()]
        layers = [
            LayerActivations(place.path, place.type, activations_by_layer)
            for place, activations_by_layer in places
            if activations_by_layer
        ]
        return tuple(sorted(layers, key=lambda layer: -layer.kept_bytes))

    def _highest(self, numbers: Sequence[int]) -> Moment:
        number = max(numbers, key=self.totals.__getitem__)
        operator = self.step.operators[number]
        place = self.step.places[operator.place]
        return Moment(
            number=number,
            operator=operator.name.partition(".")[2] or operator.name,
            phase=operator.phase,
            layer=place.path or None,
            type=place.type or None,
            held_bytes=self.totals[number],
            held=BytesByKind(
                **{kind: by_operator[number] for kind, by_operator in self._by_kind.items()}
            ),
        )


_FORMS = {
    "flash": "attention is fused (flash): it keeps its operands, its result and a number a row",
    "efficient": "attention is fused (memory-efficient): it keeps its operands, its result and a "
    "number a row",
    "math": "attention runs as plain products: no fused form takes its operands",
}
_RECURRENT = ("LSTM", "GRU", "RNN")


def notes_of(step: Step, first: Timeline, timeline: Timeline) -> tuple[str, ...]:
    """Notes on a step: its assumptions, and what the figures leave out.

    `first` is the timeline of the first step, `timeline` that of `step`, a repeated one.
    """
    return tuple(_notes(step, first, timeline))


def _notes(step: Step, first: Timeline, timeline: Timeline) -> Iterator[str]:
    if step.loss is not None and step.loss != "cross-entropy":
        yield f"the loss is {step.loss}: the output does not look like class scores"
    for form in step.attention:
        yield _FORMS[form]
    if any(place.type in _RECURRENT for place in step.places):
        yield (
            "recurrent layers are taken apart into the operators of each time step; cuDNN and "
            "oneDNN keep a workspace of their own instead, of a size that only they know, so this "
            "part is rough"
        )
    kinds = {storage.kind for storage in step.storages}
    if "gathered" in kinds:
        mixed = f"; parameters are gathered in {step.lower}, gradients reduced in float32"
        yield (
            "FSDP: torch's fully_shard ran as on the first rank, and no rank holds more"
            f"{mixed if step.lower else ''}"
        )
    if kinds & {"buckets", "gathered"}:
        yield "what the ranks' communication (NCCL) takes for its own buffers is not in it"
    most, repeated = max(first.totals), max(timeline.totals)
    if most > repeated:
        yield f"the first step holds more than those that follow: {most:,} bytes"
    if timeline.on_cuda:
        # torch keeps a workspace per thread with matrix products; autograd has a thread of its own
        threads = 1 if step.loss is None else 2
        yield (
            f"bytes in blocks of {BLOCK}, as torch.cuda.max_memory_allocated counts them; it also "
            f"counts the workspaces of cuBLAS ({threads} × 32 MiB on Hopper GPUs, 8 MiB on others, "
            "if there are matrix products) and of cuDNN, which chooses (least in bf16); the CUDA "
            "context and torch.cuda.max_memory_reserved are more still"
        )
    else:
        yield "not in it: what kernels take and give back while they run (oneDNN's copies)"
