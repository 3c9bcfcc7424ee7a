"""A copy of a model on `meta`: same structure, no data, and nothing done to it reaches the model.

Analysing runs user code that may store tensors on modules, append to lists or update statistics.
All of that happens to the copy, so the model is as it was, whatever the run does.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy


def meta_copy(model: nn.Module) -> nn.Module:
    """Copy `model` without its data. Parameters that are one object stay one object.

    What cannot be copied among its attributes (locks, open files) is shared with the original.
    """
    memo: dict[int, Any] = {}
    modules = list(model.modules())
    for module in modules:
        memo[id(module)] = object.__new__(type(module))
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None:
                memo[id(tensor)] = _without_data(tensor, memo)
    copies = {id(module): memo[id(module)] for module in modules}
    for module in modules:
        clone = memo[id(module)]
        for name, value in vars(module).items():
            clone.__dict__[name] = _copied(value, memo)
    result: nn.Module = memo[id(model)]
    result.__dict__[_ORIGINALS] = copies
    return result


def originals_of(copied: nn.Module) -> dict[int, nn.Module]:
    """The copies that `meta_copy` made, by the identity of the modules that they stand for."""
    found: dict[int, nn.Module] = vars(copied).get(_ORIGINALS, {})
    return found


_ORIGINALS = "_cnnstat_originals"


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    if id(value) in memo:
        return memo[id(value)]
    if isinstance(value, Tensor):
        return _without_data(value, memo)
    # Containers item by item: one that holds a lock is a container of its own all the same.
    if type(value) in (dict, OrderedDict):
        table = memo[id(value)] = type(value)()
        table.update((key, _copied(item, memo)) for key, item in value.items())
        return table
    if type(value) is list:
        items = memo[id(value)] = []
        items.extend(_copied(item, memo) for item in value)
        return items
    if type(value) is tuple:
        return tuple(_copied(item, memo) for item in value)
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # anything may stand in an attribute, and anything may refuse to be copied
        return value


def _without_data(tensor: Tensor, memo: dict[int, Any]) -> Tensor:
    """The tensor on `meta`, tensors that share a storage sharing one there too."""
    if id(tensor) in memo:
        known: Tensor = memo[id(tensor)]
        return known
    if is_lazy(tensor):
        lazy_class: Any = type(tensor)
        memo[id(tensor)] = lazy_class(tensor.requires_grad, "meta", tensor.data.dtype)
        return _without_data(tensor, memo)
    if tensor.layout is not torch.strided:
        return tensor.to("meta")
    storage = tensor.untyped_storage()
    key = -storage._cdata - 1  # negative: no clash with the identities of objects
    if key not in memo:
        memo[key] = torch.UntypedStorage(  # type: ignore[no-untyped-call]  # torch declares no types
            storage.nbytes(), device="meta"
        )
    empty = torch.empty(0, dtype=tensor.dtype, device="meta")
    empty.set_(memo[key], tensor.storage_offset(), tensor.shape, tensor.stride())
    if isinstance(tensor, nn.Parameter):
        result: Tensor = nn.Parameter(empty, requires_grad=tensor.requires_grad)
    else:
        result = empty.requires_grad_(tensor.requires_grad)
    memo[id(tensor)] = result
    return result
