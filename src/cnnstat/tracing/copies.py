"""Copies of a model: same structure, and nothing done to them reaches the model.

Analysing runs user code that may store tensors on modules, append to lists or update statistics.
All of that happens to a copy, so the model is as it was, whatever the run does.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

Placed = Callable[[Tensor], Tensor]


def meta_copy(model: nn.Module) -> nn.Module:
    """Copy `model` without its data, onto `meta`. Parameters that are one object stay one object.

    What cannot be copied among its attributes (locks, open files) is shared with the original.
    """
    return _copy(model, "meta", lambda tensor: tensor)


def data_copy(model: nn.Module) -> nn.Module:
    """Copy `model` with its data, onto the CPU, as `meta_copy` does without."""
    return _copy(model, "cpu", lambda tensor: tensor)


def placed_copy(model: nn.Module, placed: Placed) -> nn.Module:
    """Copy a model without its data, each tensor being what `placed` makes of one on `meta`."""
    return _copy(model, "meta", placed)


def originals_of(copied: nn.Module) -> dict[int, nn.Module]:
    """The copies that were made, by the identity of the modules that they stand for."""
    found: dict[int, nn.Module] = vars(copied).get(_ORIGINALS, {})
    return found


_ORIGINALS = "_cnnstat_originals"


def _copy(model: nn.Module, device: str, placed: Placed) -> nn.Module:
    copying = _Copying(device, placed)
    modules = list(model.modules())
    for module in modules:
        copying.memo[id(module)] = object.__new__(type(module))
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None:
                copying.tensor(tensor)
    copies = {id(module): copying.memo[id(module)] for module in modules}
    for module in modules:
        clone = copies[id(module)]
        for name, value in vars(module).items():
            if name != _ORIGINALS:
                clone.__dict__[name] = copying.value(value)
    result: nn.Module = copies[id(model)]
    # a copy of a copy stands for the same originals
    first = {key: copying.memo[id(module)] for key, module in originals_of(model).items()}
    result.__dict__[_ORIGINALS] = copies | first
    return result


class _Copying:
    """One copy under way. `memo` holds what was copied, by identity, as for `copy.deepcopy`."""

    def __init__(self, device: str, placed: Placed) -> None:
        self.device = device
        self.placed = placed
        self.memo: dict[int, Any] = {}

    def value(self, value: Any) -> Any:
        if id(value) in self.memo:
            return self.memo[id(value)]
        if isinstance(value, Tensor):
            return self.tensor(value)
        # Containers item by item: one that holds a lock is a container of its own all the same.
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
        except Exception:  # anything may stand in an attribute, and anything may refuse a copy
            return value

    def tensor(self, tensor: Tensor) -> Tensor:
        """The tensor elsewhere, tensors that share a storage sharing one there too."""
        known = self.memo.get(id(tensor))
        if known is None:
            known = self.memo[id(tensor)] = self._tensor(tensor)
        return known

    def _tensor(self, tensor: Tensor) -> Tensor:
        if is_lazy(tensor):
            lazy_class: Any = type(tensor)
            return lazy_class(tensor.requires_grad, self.device, tensor.data.dtype)  # type: ignore[no-any-return]
        if tensor.layout is not torch.strided:
            return tensor.detach().to(self.device)
        # an empty tensor of the class asked for, laid onto the copied storage
        empty = torch.empty(0, dtype=tensor.dtype, device=self.device)
        empty.set_(self._storage(tensor), tensor.storage_offset(), tensor.shape, tensor.stride())
        there = self.placed(empty)
        if isinstance(tensor, nn.Parameter):
            return nn.Parameter(there, requires_grad=tensor.requires_grad)
        return there.requires_grad_(tensor.requires_grad)

    def _storage(self, tensor: Tensor) -> Any:
        storage = tensor.untyped_storage()
        key = -storage._cdata - 1  # negative: no clash with the identities of objects
        if key not in self.memo:
            if self.device == "meta":
                self.memo[key] = torch.UntypedStorage(  # type: ignore[no-untyped-call]  # no types
                    storage.nbytes(), device="meta"
                )
            else:
                self.memo[key] = storage.cpu().clone()  # type: ignore[no-untyped-call]
        return self.memo[key]
