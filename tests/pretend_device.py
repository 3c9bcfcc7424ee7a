"""A device named `pretend`, for tests of code that runs on a GPU: its tensors are computed on the
CPU, and as on a GPU they cannot be mixed with those of the CPU."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

NAME = "pretend"
_AMONG_DEVICES = {"aten::copy_", "aten::_to_copy"}


class PretendTensor(Tensor):
    """A tensor on the device `pretend`; `inside` has its values."""

    inside: Tensor

    @staticmethod
    def __new__(cls, inside: Tensor) -> PretendTensor:
        made = Tensor._make_wrapper_subclass(
            cls, inside.shape, strides=inside.stride(), dtype=inside.dtype, device=f"{NAME}:0"
        )
        made.inside = inside
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name, kwargs = func._schema.name, dict(kwargs)
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, PretendTensor)]
    others = [t for t in tensors if not isinstance(t, PretendTensor) and t.ndim]
    if there and others and name not in _AMONG_DEVICES:
        raise RuntimeError("Expected all tensors to be on the same device, but found two")
    device = kwargs.get("device")
    stays = device is None or torch.device(device).type == NAME
    if device is not None:
        kwargs["device"] = "cpu"
    if there and kwargs.get("pin_memory"):
        raise RuntimeError("cannot pin tensors that are not on the CPU")
    plain = tree_map(_inside, (args, kwargs))
    result = func(*plain[0], **plain[1])
    if name.endswith("_"):
        return args[0]
    return tree_map(_placed, result) if stays else result


def _inside(value: Any) -> Any:
    return value.inside if isinstance(value, PretendTensor) else value


def _placed(value: Any) -> Any:
    return PretendTensor(value) if isinstance(value, Tensor) else value


@cache
def pretend_device() -> torch.device:
    """The device; it exists from the first call on."""
    from torch.utils import backend_registration

    set_up = getattr(backend_registration, "_setup_privateuseone_for_python_backend", None)
    if set_up is None:
        pytest.skip("this torch has no devices that are written in Python")
    set_up(NAME)
    return torch.device(f"{NAME}:0")


def on_pretend_device(tensor: Tensor) -> Tensor:
    """A copy of a tensor on the device."""
    pretend_device()
    return PretendTensor(tensor.detach().clone())
