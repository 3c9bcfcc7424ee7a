"""The lifetimes of storages in a step: from the operator that allocates one until it is freed.

Views and in-place operators share a storage, so it counts once. Tensors that autograd saves keep
their storage alive without data as they do with data.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from torch import Tensor

from ...errors import LaneError, ModelError
from ...trace.records import Module
from ...trace.step_records import Operator, Phase, Place, Storage, StorageKind
from ...units import format_bytes
from ..structure.containers import tensors_among
from ..structure.nested import parts_of
from ..structure.sparse import storage_of, stored_in
from .backward import BackwardRecorder
from .open_calls import OpenCall
from .tensor_records import storage_key

_NOWHERE = Place("", "")
_BEFORE_THE_STEP = -1


@dataclass(slots=True)
class _LiveStorage:
    """A storage during the step; it becomes a `Storage` afterwards."""

    nbytes: int
    born: int
    place: int
    on_host: bool
    kind: StorageKind
    freed: int | None = None


class StorageRecorder(BackwardRecorder):
    """Records the phase and layer of each operator, and the lifetime of each storage."""

    def __init__(
        self,
        modules: dict[int, Module],
        default: StorageKind,
        limit: int | None = None,
        has_data: bool = False,
    ) -> None:
        """`default` is the kind of new storages, until `classify` sets another."""
        super().__init__(modules, limit, has_data)
        self._default_kind = default
        self.step_phase: Phase = "forward"
        self._places: dict[Place, int] = {_NOWHERE: 0}
        self._operators: list[Operator] = []
        self._storages_of_step: list[_LiveStorage] = []
        self._alive: dict[int, tuple[weakref.ref[Any], _LiveStorage]] = {}
        self._repeated_from: int | None = None

    # Called by the step

    def begin_step(self) -> None:
        """Forget operators and freed storages; those alive existed before the step."""
        self._operators.clear()
        self._storages_of_step = [live for _, live in self._alive.values()]
        for live in self._storages_of_step:
            live.born = _BEFORE_THE_STEP
        self.begin("forward")

    def begin(self, phase: Phase) -> None:
        self.step_phase = phase
        self.in_backward = phase == "backward"

    def classify(self, kind: StorageKind, tensors: Iterable[Any]) -> None:
        """Set the kind of the tensors' storages; unknown storages are alive from now on."""
        for value in tensors:
            for tensor in chain.from_iterable(map(parts_of, tensors_among(value))):
                self.track(tensor)
                if (known := self._alive.get(storage_key(tensor))) is not None:
                    known[1].kind = kind

    def mark_activations(self, since: int = 0) -> None:
        """Mark the living storages allocated from operator `since` on: autograd saved them."""
        for _, live in self._alive.values():
            if live.born >= since and live.kind == "temporaries":
                live.kind = "activations"

    # Called by the observers

    def track(self, tensor: Tensor, born: int = -1) -> None:
        key = storage_key(tensor)
        if key == 0 or key in self._alive:
            return
        storage = storage_of(tensor)
        live = _LiveStorage(
            storage.nbytes() + stored_in(tensor)[1],
            len(self._operators),
            self._place(),
            tensor.is_cpu and not self.has_data,  # with data all is on the CPU
            self._default_kind,
        )

        def freed(_: object) -> None:
            live.freed = len(self._operators)
            self.live_bytes -= live.nbytes
            del self._alive[key]

        self._alive[key] = weakref.ref(storage, freed), live
        self._storages_of_step.append(live)
        self.live_bytes += live.nbytes
        if self.limit is not None and self.live_bytes > self.limit:
            raise LaneError(
                f"the step takes more than the {format_bytes(self.limit)} of memory that are left"
            )

    def resized(self, tensor: Tensor, kind: StorageKind) -> None:
        """The tensor's storage was emptied or filled again, which no operator does."""
        key, size = storage_key(tensor), storage_of(tensor).nbytes()
        if key in self._alive and self._alive[key][1].nbytes != size:
            _, live = self._alive.pop(key)
            live.freed = len(self._operators)
            self.live_bytes -= live.nbytes
        if size:
            self.classify(kind, [tensor])

    def record_op(self, name: str, overload: str, args: Any, kwargs: Any, result: Any) -> None:
        for tensor in tensors_among(result):
            self.track(tensor)
        self._operators.append(Operator(name, self.step_phase, self._place()))

    def record_rows(self, name: str, overload: str, args: Any, kwargs: Any, result: Any) -> None:
        self.record_op(name, overload, args, kwargs, result)  # rows have no storages of their own

    def record_threads(self) -> None:
        if self._with_threads:
            raise ModelError(
                "the model runs operators in threads that its forward starts",
                "what they store is not recorded, and the memory would be too low",
            )

    @property
    def position(self) -> int:
        return len(self._operators)

    def amount_since(self, position: int) -> tuple[Any, ...]:
        """The bytes of the storages allocated since then."""
        return (sum(s.nbytes for s in self._storages_of_step if s.born >= position),)

    def leave_out(self, branch: OpenCall, since: int, until: int) -> None:
        """Forget the storages of a branch."""
        branch.counted = False
        ours = [s for s in self._storages_of_step if since <= s.born < until]
        for live in ours:
            self._storages_of_step.remove(live)

    def _open(self, *args: Any) -> OpenCall:
        # In the backward pass modules are called by a checkpoint only, which recomputes its layers.
        if self.in_backward and not self.stack:
            self._repeated_from = len(self._operators)
        return super()._open(*args)

    def close(self, call: OpenCall, result: Any) -> None:
        super().close(call, result)
        if self.in_backward and not self.stack and self._repeated_from is not None:
            self.mark_activations(self._repeated_from)
            self._repeated_from = None

    def _place(self) -> int:
        index = self.current_call
        if index < 0:
            return 0
        call = self.calls[index]
        return self._places.setdefault(Place(call.path, call.type), len(self._places))

    @property
    def phase(self) -> Phase:
        return self.step_phase

    # Results

    def storages(self) -> tuple[Storage, ...]:
        return tuple(
            Storage(live.nbytes, live.kind, live.born, live.freed, live.place, live.on_host)
            for live in self._storages_of_step
        )

    @property
    def operators(self) -> tuple[Operator, ...]:
        return tuple(self._operators)

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple(self._places)
