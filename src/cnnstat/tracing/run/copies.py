"""Copies of a model: the same structure, and no change to a copy reaches the model.

A run executes user code, which may store tensors on modules, append to lists or update statistics.
It runs on a copy, so the user's model stays unchanged.
"""

from __future__ import annotations

import copy
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import MemberDescriptorType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ...errors import NOT_OF_THE_MODEL
from ..structure.distributed import (
    FLAT,
    flattened,
    gathered,
    is_split,
    local_class,
    splitters,
    without_exchanges,
)
from ..structure.known_indices import with_indices
from ..structure.modules import is_scripted, modules_of
from ..user_code.compilation import module_in, without_graph, wrappers_of
from ..user_code.scripted import scripted_copy

Placed = Callable[[Tensor], Tensor]


def meta_copy(model: nn.Module) -> nn.Module:
    """Copy `model` to `meta`, without its data. Shared parameters stay shared.

    Attributes that cannot be copied (locks, open files) are shared with the original.
    """
    return _copy(model, "meta", lambda tensor: tensor)


def data_copy(model: nn.Module) -> nn.Module:
    """Copy `model` to the CPU with its data, otherwise as `meta_copy` does."""
    return _copy(model, "cpu", lambda tensor: tensor)


def placed_copy(model: nn.Module, placed: Placed) -> nn.Module:
    """Copy a model without its data, with `placed` applied to each tensor on `meta`."""
    return _copy(model, "meta", placed)


class Substitutes:
    """The copies of modules, by original.

    A model may contain functions that refer to the modules from which it was copied. References to
    originals are weak: a copy without data must not keep the data alive.
    """

    def __init__(self) -> None:
        self._copies: dict[int, tuple[weakref.ref[nn.Module], nn.Module]] = {}

    def add(self, original: nn.Module, copied: nn.Module) -> None:
        self._copies[id(original)] = weakref.ref(original), copied

    def of(self, module: nn.Module) -> nn.Module:
        """The copy of `module`, else `module` itself."""
        original, copied = self._copies.get(id(module), _NO_COPY)
        return copied if copied is not None and original() is module else module

    def copied_by(self, memo: dict[int, Any]) -> Substitutes:
        """The same originals, with the copies of their copies."""
        again = Substitutes()
        for original, copied in self._copies.values():
            module = original()
            if module is not None:
                again.add(module, memo[id(copied)])
        return again


_NO_COPY: tuple[Any, None] = (None, None)
_SUBSTITUTES, _SPLIT_BY = "_cnnstat_substitutes", "_cnnstat_split_by"


def substitutes_in(copied: nn.Module) -> Substitutes:
    """The originals of a copied model, and their copies."""
    found: Substitutes = vars(copied).get(_SUBSTITUTES) or Substitutes()
    return found


def _copy(model: nn.Module, device: str, placed: Placed) -> nn.Module:
    copying = _Copying(device, placed)
    modules = modules_of(model)
    scripted = [module for module in modules if is_scripted(module)]
    for module in scripted:
        if id(module) not in copying.memo:  # else inside another
            clones = scripted_copy(module, copying.tensor)
            copying.memo |= {
                id(inside): clone for inside, clone in zip(modules_of(module), clones, strict=True)
            }
    *outer, inner = wrappers_of(model)
    left_out = {id(module) for module in outer}
    plain = [m for m in modules if module_in(m) is m and not is_scripted(m)]
    plain = [module for module in plain if id(module) not in left_out]
    for module in plain:
        copying.memo[id(module)] = object.__new__(local_class(type(module)))
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None:
                copying.tensor(tensor)
    for module in modules:  # instead of what was compiled, what was inside
        within = inner if id(module) in left_out else module_in(module)
        copying.memo[id(module)] = copying.memo[id(within)]
    substitutes = substitutes_in(model).copied_by(copying.memo)
    for module in modules:
        substitutes.add(module, copying.memo[id(module)])
    for module in plain:
        clone = copying.memo[id(module)]
        for name, value in vars(module).items():
            if name == "_compiled_call_impl":  # of `Module.compile`
                clone.__dict__[name] = None
            elif name == "forward":
                clone.__dict__[name] = copying.attribute(name, without_graph(value))
            elif name != _SUBSTITUTES:
                clone.__dict__[name] = copying.attribute(name, value)
        for slot in _slots(type(module)):
            with suppress(AttributeError):  # it has no value
                slot.__set__(clone, copying.value(slot.__get__(module)))
    for module in (*outer, *plain):
        copying.unflatten(module)
    for module in plain:
        copying.memo[id(module)]._parameters.pop(FLAT, None)
    result: nn.Module = copying.memo[id(inner)]
    result.__dict__[_SUBSTITUTES] = substitutes
    result.__dict__[_SPLIT_BY] = splitters((*outer, *plain)) or split_by(model)
    return result


def split_by(copied: nn.Module) -> tuple[str, ...]:
    """How the model of which this is a copy was split over processes; empty if it was not."""
    found: tuple[str, ...] = vars(copied).get(_SPLIT_BY, ())
    return found


def _slots(cls: type) -> Iterator[MemberDescriptorType]:
    """The attributes of `__slots__`, which `vars` does not have."""
    for base in cls.__mro__:
        if not base.__module__.startswith("torch."):
            yield from (v for v in vars(base).values() if isinstance(v, MemberDescriptorType))


class _Copying:
    """The state of one copy. `memo` maps identities to copies, as for `copy.deepcopy`."""

    def __init__(self, device: str, placed: Placed) -> None:
        self.device = device
        self.placed = placed
        self.memo: dict[int, Any] = {}
        self._alive: list[Any] = []

    def attribute(self, name: str, value: Any) -> Any:
        """The copy of an attribute of a module."""
        local = without_exchanges(name, value)
        self._alive.append(local)  # its identity is in the memo
        return self.value(local)

    def value(self, value: Any) -> Any:
        if id(value) in self.memo:
            return self.memo[id(value)]
        if isinstance(value, Tensor):
            return self.tensor(value)
        # Containers are copied item by item: a lock inside must not make the copy share them.
        if type(value) in (dict, OrderedDict):
            table = self.memo[id(value)] = type(value)()
            table.update((key, self.value(item)) for key, item in value.items())
            return table
        if type(value) is list:
            items = self.memo[id(value)] = []
            items.extend(self.value(item) for item in value)
            return items
        if type(value) is tuple:
            return tuple(self.value(item) for item in value)
        try:
            return copy.deepcopy(value, self.memo)
        except NOT_OF_THE_MODEL:
            raise
        except BaseException:  # an attribute may be any object, and refuse a copy in any way
            return value

    def tensor(self, tensor: Tensor) -> Tensor:
        """The copy of a tensor; tensors that share a storage share one there too."""
        known = self.memo.get(id(tensor))
        if known is None:
            known = self.memo[id(tensor)] = self._tensor(tensor)
            self._alive.append(tensor)  # TorchScript returns a new object each time
        return known

    def unflatten(self, module: nn.Module) -> None:
        """Give the copies of a module's children the parameters that it flattened into one."""
        for places, parameter in flattened(module, self.device):
            for child, name in places:
                clone = self.memo[id(child)]
                clone.__dict__.pop(name, None)  # a view of the flat one
                clone._parameters[name] = parameter

    def _tensor(self, tensor: Tensor) -> Tensor:
        if is_split(tensor):
            copied = gathered(tensor, self.device)
            if isinstance(tensor, nn.Parameter):
                return nn.Parameter(copied, requires_grad=tensor.requires_grad)
            return copied.requires_grad_(tensor.requires_grad)
        if is_lazy(tensor):
            lazy_class: Any = type(tensor)
            return lazy_class(tensor.requires_grad, self.device, tensor.data.dtype)  # type: ignore[no-any-return]  # a subclass of Tensor
        if tensor.layout is not torch.strided:
            copied = tensor.detach().to(self.device)
            if copied.device == tensor.device:
                copied = copied.clone()
            if isinstance(tensor, nn.Parameter):
                return nn.Parameter(copied, requires_grad=tensor.requires_grad)
            return copied.requires_grad_(tensor.requires_grad)
        # A view of the copied storage.
        empty = torch.empty(0, dtype=tensor.dtype, device=self.device)
        empty.set_(self._storage(tensor), tensor.storage_offset(), tensor.shape, tensor.stride())
        there = self.placed(empty)
        if isinstance(tensor, nn.Parameter):
            return nn.Parameter(there, requires_grad=tensor.requires_grad)
        return with_indices(there.requires_grad_(tensor.requires_grad), tensor)

    def _storage(self, tensor: Tensor) -> Any:
        storage = tensor.untyped_storage()
        key = -storage._cdata - 1  # negative: no clash with the identities of objects
        if key not in self.memo:
            if self.device == "meta":
                self.memo[key] = torch.UntypedStorage(  # type: ignore[no-untyped-call]  # no types
                    storage.nbytes(), device="meta"
                )
            else:
                self.memo[key] = storage.cpu().clone()  # type: ignore[no-untyped-call]  # torch declares no types
        return self.memo[key]
