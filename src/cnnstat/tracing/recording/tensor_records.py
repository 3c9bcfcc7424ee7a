"""The tensors of a run: their numbers, shapes and storages, and which of them are alive."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from msgspec import structs
from torch import Tensor
from torch.nn.parameter import is_lazy

from ...errors import LaneError
from ...trace.records import TensorSpec
from ...units import format_bytes
from ..structure.containers import PLAIN, PLAIN_TENSORS, tensors_among
from ..structure.known_indices import indices_of
from ..structure.nested import is_jagged, rows_of, values_of
from ..structure.packed import packed_tensors
from ..structure.sparse import is_sparse, storage_of, stored_in

MOST_KNOWN = 64
"""The maximum of elements of a tensor whose values are known without data."""


@dataclass(kw_only=True)
class TensorRecords:
    """Records tensors, and tracks which activation storages are alive.

    `limit` is the maximum of live bytes, `has_data`: whether tensors have values.
    """

    limit: int | None = None
    has_data: bool = False
    live_bytes: int = 0

    def __post_init__(self) -> None:
        self._values: dict[int, tuple[weakref.ref[Tensor], Any, TensorSpec]] = {}
        self._value_count = 0
        self._moved: list[Tensor] = []
        self._parameters: dict[int, str] = {}
        self._newest: dict[int, TensorSpec] = {}  # by storage
        self._storages: dict[int, tuple[weakref.ref[Any], int, int]] = {}
        self.constants: dict[int, tuple[int, Tensor]] = {}  # with the position then
        self.indices: dict[int, Tensor] = {}

    @property
    def position(self) -> int:
        """How many operators ran."""
        raise NotImplementedError

    @property
    def place(self) -> str:
        """The path of the innermost call; empty outside of all calls."""
        raise NotImplementedError

    def register_parameter(self, name: str, tensor: Tensor) -> None:
        self._parameters.setdefault(storage_key(tensor), name)

    def register_created(self, name: str, tensor: Tensor) -> None:
        """Register a parameter that the run created, so far recorded as an activation."""
        _, nbytes, _ = self._storages.pop(storage_key(tensor), (None, 0, -1))
        self.live_bytes -= nbytes
        self.register_parameter(name, tensor)
        self._values.pop(id(tensor), None)  # its spec from before has no name

    def replace_parameter(self, name: str, old: Tensor, new: Tensor) -> None:
        """Register another tensor for a parameter or buffer.

        The old one stays alive until the end of the run: an activation would get the identity of
        its storage, and would count as a parameter.
        """
        self._moved.append(old)
        self.register_parameter(name, new)

    def move_to_meta(self, tensor: Tensor) -> None:
        """Put a constant on `meta` under the same number, unless a view of it exists."""
        known = self._values.pop(id(tensor), None)
        spec = None if known is None or known[0]() is not tensor else known[2]
        del known  # torch swaps no tensor to which there are weak references
        with suppress(RuntimeError):
            torch.utils.swap_tensors(tensor, tensor.to("meta"))  # type: ignore[no-untyped-call]  # torch declares no types
        if spec is not None:
            self._values[id(tensor)] = weakref.ref(tensor), tensor.dtype, spec
            self._newest[storage_key(tensor)] = spec
            if tensor.is_meta:
                self.constants.pop(spec.value, None)
        self.track(tensor, self.position - 1)

    def known_spec(self, tensor: Tensor) -> TensorSpec | None:
        """The spec of a tensor that was seen in the run."""
        known = self._values.get(id(tensor))
        return None if known is None or known[0]() is not tensor else known[2]

    def spec(self, tensor: Tensor) -> TensorSpec:
        # An id is reused once its tensor is freed, so the weak reference confirms the identity.
        known = self._values.get(id(tensor))
        key = storage_key(tensor)
        if known is None or known[0]() is not tensor:
            inside = values_of(tensor) if is_jagged(tensor) else None
            number = self._renamed(tensor, key) if inside is None else self.spec(inside).value
        elif known[1] is tensor.dtype and _has_shape(tensor, known[2]):
            return known[2]
        else:  # the same tensor, resized in place
            number = known[2].value
        dtype = tensor.dtype
        parameter = self._parameters.get(key)
        if tensor.is_nested:
            spec = self._spec_of_nested(tensor, number, parameter)
        else:
            sparse = () if tensor.layout is torch.strided else stored_in(tensor)
            spec = TensorSpec(number, tuple(tensor.shape), _name(dtype), dtype.itemsize,
                              parameter, *sparse)  # fmt: skip
        self._values[id(tensor)] = (weakref.ref(tensor), dtype, spec)
        self._newest[key] = spec
        return spec

    def _spec_of_nested(self, tensor: Tensor, number: int, parameter: str | None) -> TensorSpec:
        self.require_lengths()
        rows = rows_of(tensor)
        return TensorSpec(number, rows.bound, _name(tensor.dtype), tensor.dtype.itemsize,
                          parameter, rows.numel, ragged=rows.ragged)  # fmt: skip

    def require_lengths(self) -> None:
        """Leave a model with nested tensors to a lane with data."""
        if not self.has_data:
            place = f" at {self.place}" if self.place else ""
            raise LaneError(
                f"the model uses nested tensors{place}, whose figures depend on the lengths of "
                "their rows"
            )

    def note_constant(self, tensor: Tensor, data: Any) -> None:
        """Record the values of a tensor without data, if they are few."""
        size: Any = tensor.numel()  # perhaps symbolic
        if isinstance(size, int) and size <= MOST_KNOWN:
            known = torch.as_tensor(data, dtype=tensor.dtype, device="cpu").clone()
            self.constants[self.spec(tensor).value] = self.position, known

    def note_indices(self, tensor: Tensor) -> None:
        """Record the integers of a tensor that has lost its data, if they are known."""
        known = None if is_lazy(tensor) else indices_of(tensor)
        if known is not None:
            self.indices[self.spec(tensor).value] = known

    def note_constants(self, tensors: Any) -> None:
        """Record the values of the tensors with data, in a run without."""
        for tensor in tensors_among(tensors):
            if tensor.is_cpu and not hasattr(tensor, "fake_mode"):
                self.note_constant(tensor, tensor)

    def _renamed(self, tensor: Tensor, key: int) -> int:
        """The number of a tensor that is not known: that of the same memory, for a subclass.

        What an operator returns becomes an instance of the subclass afterwards, unrecorded.
        """
        if type(tensor) not in PLAIN_TENSORS and key:
            newest = self._newest.get(key)
            if newest is not None and newest.shape == tensor.shape:
                return newest.value
        self._value_count += 1
        return self._value_count - 1

    def bytes_of(self, storage: torch.UntypedStorage) -> int:
        return storage.nbytes()

    def track(self, tensor: Tensor, born: int = -1) -> None:
        """Count the tensor's storage as alive until it is freed.

        `born` is the index of the op that allocated it, -1 for an input.
        """
        key = storage_key(tensor)
        if key == 0 or key in self._storages or key in self._parameters:
            return
        storage = storage_of(tensor)
        nbytes = self.bytes_of(storage) + stored_in(tensor)[1]

        # Python calls it when the last tensor of the storage is gone, a view or autograd's
        # included: that is what a device would keep in memory.
        def freed(_: object) -> None:
            self.live_bytes -= nbytes
            del self._storages[key]

        self._storages[key] = (weakref.ref(storage, freed), nbytes, born)
        self.live_bytes += nbytes
        if self.limit is not None and self.live_bytes > self.limit:
            raise LaneError(
                f"its activations take more than the {format_bytes(self.limit)} of memory that are "
                "left for them"
            )

    def freeze(self, value: Any) -> Any:
        """An argument as the record stores it: specs for tensors, plain values otherwise."""
        kind = type(value)
        if kind in PLAIN:
            return value
        if kind in PLAIN_TENSORS:
            return self.spec(value)
        if isinstance(value, Tensor):
            return "uninitialized" if is_lazy(value) else self.spec(value)
        if isinstance(value, (list, tuple)):
            return tuple([item if type(item) in PLAIN else self.freeze(item) for item in value])
        if isinstance(value, dict):
            return {str(key): self.freeze(item) for key, item in value.items()}
        if isinstance(value, torch.ScriptObject):
            return self._packed_specs(value) or str(value)
        return value if isinstance(value, int | float | str) else str(value)

    def _packed_specs(self, packed: torch.ScriptObject) -> tuple[TensorSpec, ...]:
        """The packed weights of the innermost layer, as parameters under its name."""
        place = self.place
        return tuple(
            structs.replace(self.spec(tensor), parameter=f"{place}.{name}" if place else name)
            for name, tensor in packed_tensors(packed).items()
        )

    def specs_in(self, *values: Any) -> tuple[TensorSpec, ...]:
        return tuple([self.spec(tensor) for tensor in tensors_among(values)])

    def parameter_of(self, storage: int) -> str | None:
        return self._parameters.get(storage)

    def new_bytes_since(self, first_op: int, tensors: Sequence[Tensor]) -> int:
        created = {}
        for tensor in tensors:
            key = storage_key(tensor)
            _, nbytes, born = self._storages.get(key, (None, 0, -1))
            if born >= first_op:
                created[key] = nbytes
        return sum(created.values())


def _has_shape(tensor: Tensor, spec: TensorSpec) -> bool:
    is_nested = spec.stored is not None and tensor.is_nested  # it cannot be resized
    return is_nested or spec.shape == tensor.shape


@cache
def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def storage_key(tensor: Tensor) -> int:
    """The identity of the tensor's storage; 0 for a tensor that has none (opaque)."""
    if type(tensor) not in PLAIN_TENSORS and is_jagged(tensor):
        tensor = values_of(tensor)
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):
        return int(storage_of(tensor)._cdata) if is_sparse(tensor) else 0
