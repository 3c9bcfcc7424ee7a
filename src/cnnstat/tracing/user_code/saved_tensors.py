"""`save_on_cpu` in a run without data, where nothing can be copied to the CPU.

What autograd saves inside it is in the memory of the host: on a device it is freed, and created
again for the gradient that needs it. On the CPU the tensor itself is saved.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import save_on_cpu, saved_tensors_hooks
from torch.utils._python_dispatch import _disable_current_modes

from ..process.global_state import replaced_here


class _OnHost(NamedTuple):
    """A tensor that was copied to the host."""

    shape: torch.Size
    strides: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device


@contextmanager
def saved_on_host(device: str) -> Iterator[None]:
    """Let `save_on_cpu` act as on a device of this kind, which may be the CPU itself."""

    def create(hooks: Any, pin_memory: bool = False, *_: Any, **__: Any) -> None:
        pack, unpack = (_itself, _itself) if device == "cpu" else (_to_host, _from_host)
        saved_tensors_hooks.__init__(hooks, pack, unpack)

    with replaced_here(save_on_cpu, "__init__", create):
        yield


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def _to_host(tensor: Tensor) -> _OnHost:
    with _disable_current_modes():  # no memory of the model
        strides = torch.empty_like(tensor).stride()  # dense, in the order of the tensor's
    return _OnHost(tensor.shape, strides, tensor.dtype, tensor.device)


def _from_host(saved: _OnHost) -> Tensor:
    return torch.empty_strided(saved.shape, saved.strides, dtype=saved.dtype, device=saved.device)
