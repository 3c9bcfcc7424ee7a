"""Models that torch wraps for several devices or splits over processes, as one without them.

`fully_shard` and `parallelize_module` replace parameters by `DTensor`s, whose `shape` is that of
the whole, and add hooks that exchange them. `FullyShardedDataParallel` flattens parameters into
one. `DistributedDataParallel` prepares an exchange of gradients in its `forward`, `DataParallel`
copies the model to several GPUs. A copy of such a model has whole parameters, none of these hooks,
and a `forward` that only calls what was wrapped; where the model itself is a wrapper, the copy is
of what was wrapped.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import LaneError
from .modules import modules_of

_EXCHANGES = (
    "torch.distributed.fsdp", "torch.distributed.tensor", "torch.distributed._composable.replicate",
)  # fmt: skip
"""Modules of torch whose hooks gather, split or convert tensors."""
_HOOKS = {"_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks"}
_WRAPPERS = {
    ("torch.nn.parallel.data_parallel", "DataParallel"): "module",
    ("torch.nn.parallel.distributed", "DistributedDataParallel"): "module",
    ("torch.distributed.fsdp.fully_sharded_data_parallel", "FullyShardedDataParallel"):
        "_fsdp_wrapped_module",
}  # fmt: skip
"""Classes of wrappers, and the child that each calls."""
FLAT = "_flat_param"
"""The parameter into which `FullyShardedDataParallel` flattens others."""


def local_class(cls: Any) -> Any:
    """The class of a module without what `torch.distributed` added to it."""
    sharded: Any = sys.modules.get("torch.distributed.fsdp")
    if sharded is not None and issubclass(cls, getattr(sharded, "FSDPModule", ())):
        return next(c for c in cls.__mro__ if not c.__module__.startswith(_EXCHANGES))
    if "_is_local" in vars(cls):
        return cls
    child = _child_of(cls)
    return cls if child is None else _calling(cls, child)


def _child_of(cls: Any) -> str | None:
    """The name of the child that modules of a class wrap; None for other classes."""
    names = (_WRAPPERS.get((base.__module__, base.__name__)) for base in cls.__mro__)
    return next((name for name in names if name is not None), None)


def wrapped_in(model: nn.Module) -> nn.Module:
    """The module that a wrapper of torch's calls, else the module itself."""
    child = _child_of(type(model))
    inside = None if child is None else model._modules.get(child)
    return model if inside is None else inside


def unwrapped(model: nn.Module) -> nn.Module:
    """The module that `model` wraps; wrappers inside only call what they wrap. Changes it."""
    while (inside := wrapped_in(model)) is not model:
        model = inside
    for module in modules_of(model):
        if _child_of(type(module)) is not None:
            module.__class__ = local_class(type(module))
    return model


@cache
def _calling(cls: Any, child: str) -> type[nn.Module]:
    """A subclass of a wrapper, of the same name, that only calls the wrapped module."""

    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return self._modules[child](*args, **kwargs)  # type: ignore[misc]  # it is no None

    namespace = {"forward": forward, "__module__": cls.__module__, "_is_local": True}
    return type(cls.__name__, (cls,), namespace)


def without_exchanges(name: str, value: Any) -> Any:
    """An attribute of a module without hooks and flat parameters of `torch.distributed`."""
    if "torch.distributed" not in sys.modules:
        return value
    if name in _HOOKS and any(map(_exchanges, value.values())):
        return OrderedDict((key, hook) for key, hook in value.items() if not _exchanges(hook))
    if name == "params" and type(value) is list:
        return [item for item in value if not hasattr(item, "_is_flat_param")]
    return value


def _exchanges(hook: Callable[..., Any]) -> bool:
    return str(getattr(hook, "__module__", "")).startswith(_EXCHANGES)


def is_split(tensor: Tensor) -> bool:
    """Whether a tensor is a `DTensor`."""
    return type(tensor).__module__.startswith("torch.distributed.tensor")


def gathered(tensor: Any, device: str) -> Tensor:
    """A `DTensor` as a tensor of the whole shape; on the CPU its values must all be here."""
    if device == "meta":
        return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
    if tensor.device_mesh.size() > 1:
        raise LaneError("the parameters are split over several processes: this one has a part")
    return tensor.to_local().detach().cpu().clone()  # type: ignore[no-any-return]  # torch declares no types


Places = list[tuple[nn.Module, str]]
"""Modules, each with the name under which it has a parameter."""


def flattened(module: nn.Module, device: str) -> Iterator[tuple[Places, nn.Parameter]]:
    """The parameters that `FullyShardedDataParallel` flattened into one, without data."""
    handle = vars(module).get("_handle")
    flat = getattr(handle, "flat_param", None)
    if flat is None:
        return
    if device != "meta":
        raise LaneError("FullyShardedDataParallel has flattened the parameters into one")
    for info, shape in zip(flat._param_infos, flat._shapes, strict=True):
        places = [(info.module, info.param_name)]
        for shared in flat._shared_param_infos:
            if (shared.prim_module, shared.prim_param_name) == places[0]:
                places.append((shared.module, shared.param_name))
        yield places, nn.Parameter(torch.empty(shape, dtype=flat.dtype, device="meta"))


def splitters(modules: Sequence[nn.Module]) -> tuple[str, ...]:
    """The ways in which a model is split over processes, as far as they are seen on it."""
    found: dict[str, None] = {}
    for module in modules:
        name = type(module).__name__
        if vars(module).get("_handle") is not None and "_fsdp_wrapped_module" in module._modules:
            found[name] = None
        elif local_class(type(module)) is not type(module) and name.startswith("FSDP"):
            found["fully_shard"] = None
        elif any(p is not None and is_split(p) for p in module._parameters.values()):
            found["DTensor"] = None
    return ("fully_shard",) if "fully_shard" in found else tuple(found)
