"""Following storages through a step: each from the operator that makes it until it is freed.

Views and changes in place share a storage, so they count once; what autograd saves keeps its
storage alive without data as it does with data.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..trace.records import Module
from ..trace.step_records import HeldKind, Operator, Phase, Place, Storage
from .backward import BackwardRecorder
from .containers import tensors_among
from .recorder import OpenCall, storage_key

_NOWHERE = Place("", "")
_LONG_BEFORE = -1


@dataclass(slots=True)
class _Held:
    """A storage while the step runs; it becomes a `Storage` when the step is over."""

    nbytes: int
    born: int
    place: int
    on_host: bool
    kind: HeldKind
    freed: int | None = None


class StorageRecorder(BackwardRecorder):
    """Notes for each operator its phase and place, and for each storage its life."""

    def __init__(self, modules: dict[int, Module], made: HeldKind) -> None:
        """`made` is the kind of what operators make, unless something else is said of it."""
        super().__init__(modules)
        self._made_kind = made
        self.step_phase: Phase = "forward"
        self._places: dict[Place, int] = {_NOWHERE: 0}
        self._operators: list[Operator] = []
        self._held: list[_Held] = []
        self._alive: dict[int, tuple[weakref.ref[Any], _Held]] = {}
        self._repeated_from: int | None = None

    # What the step tells

    def begin_step(self) -> None:
        """Forget what ran, and what is gone; what is alive was there before."""
        self._operators.clear()
        self._held = [held for _, held in self._alive.values()]
        for held in self._held:
            held.born = _LONG_BEFORE
        self.begin("forward")

    def begin(self, phase: Phase) -> None:
        self.step_phase = phase
        self.in_backward = phase == "backward"

    def keep(self, kind: HeldKind, tensors: Iterable[Any]) -> None:
        """The storages of these tensors are of a kind; those not seen before are alive from now."""
        for value in tensors:
            for tensor in tensors_among(value):
                self.watch(tensor)
                if (known := self._alive.get(storage_key(tensor))) is not None:
                    known[1].kind = kind

    def keep_activations(self, since: int = 0) -> None:
        """What was made by operators from `since` on and is still alive is kept for gradients."""
        for _, held in self._alive.values():
            if held.born >= since and held.kind == "temporaries":
                held.kind = "activations"

    # What the observers tell

    def watch(self, tensor: Tensor, born: int = -1) -> None:
        key = storage_key(tensor)
        if key == 0 or key in self._alive:
            return
        storage = tensor.untyped_storage()
        held = _Held(storage.nbytes(), len(self._operators), self._place(), tensor.is_cpu,
                     self._made_kind)  # fmt: skip

        def freed(_: object) -> None:
            held.freed = len(self._operators)
            del self._alive[key]

        self._alive[key] = weakref.ref(storage, freed), held
        self._held.append(held)

    def resized(self, tensor: Tensor, kind: HeldKind) -> None:
        """The tensor's storage was emptied or filled again, which no operator tells."""
        key, size = storage_key(tensor), tensor.untyped_storage().nbytes()
        if key in self._alive and self._alive[key][1].nbytes != size:
            _, held = self._alive.pop(key)
            held.freed = len(self._operators)
        if size:
            self.keep(kind, [tensor])

    def note(self, name: str, overload: str, args: Any, kwargs: Any, result: Any) -> None:
        for tensor in tensors_among(result):
            self.watch(tensor)
        self._operators.append(Operator(name, self.step_phase, self._place()))

    def _open(self, *args: Any) -> OpenCall:
        if self.in_backward and not self.stack:  # a checkpoint runs its layers again
            self._repeated_from = len(self._operators)
        return super()._open(*args)

    def close(self, call: OpenCall, result: Any) -> None:
        super().close(call, result)
        if self.in_backward and not self.stack and self._repeated_from is not None:
            self.keep_activations(self._repeated_from)
            self._repeated_from = None

    def _place(self) -> int:
        index = self.innermost
        if index < 0:
            return 0
        call = self.calls[index]
        return self._places.setdefault(Place(call.path, call.type), len(self._places))

    @property
    def phase(self) -> Phase:
        return self.step_phase

    # What comes of it

    def storages(self) -> tuple[Storage, ...]:
        return tuple(
            Storage(held.nbytes, held.kind, held.born, held.freed, held.place, held.on_host)
            for held in self._held
        )

    @property
    def operators(self) -> tuple[Operator, ...]:
        return tuple(self._operators)

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple(self._places)
