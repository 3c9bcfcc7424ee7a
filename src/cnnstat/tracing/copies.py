"""A copy of a model on `meta`: same structure, no data, and nothing done to it reaches the model.

Analysing runs user code that may store tensors on modules, append to lists or update statistics.
All of that happens to the copy, so the model is as it was, whatever the run does.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

_TABLES = ("_parameters", "_buffers", "_modules")


def meta_copy(model: nn.Module) -> nn.Module:
    """Copy `model` without its data. Parameters that are one object stay one object.

    Attributes that cannot be copied (locks, open files) are shared with the original.
    """
    modules = list(model.modules())
    memo: dict[int, Any] = {}
    for module in modules:
        memo[id(module)] = object.__new__(type(module))
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None:
                memo[id(tensor)] = _without_data(tensor, memo)
    for module in modules:
        clone = memo[id(module)]
        for name, value in vars(module).items():
            clone.__dict__[name] = _copy_attribute(name, value, memo)
    result: nn.Module = memo[id(model)]
    return result


def _copy_attribute(name: str, value: Any, memo: dict[int, Any]) -> Any:
    if name in _TABLES:
        return type(value)((key, memo.get(id(item), item)) for key, item in value.items())
    if isinstance(value, Tensor):
        return _without_data(value, memo)
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
