"""Lanes: the ways to run a model, from the one that costs nothing to the one that does it all.

meta    tensors have a shape and no data; sizes that depend on values are taken at their largest
fake    the same, but tensors say that they are on the CPU, and operators without a shape rule of
        their own run on zeros
cpu     real execution, for models whose control flow needs values
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import LaneError
from ..inputs import InputSpec
from ..units import format_bytes
from .copies import data_copy, meta_copy, placed_copy
from .libraries import values_left_out

SEED = 0


def _unwrapped(operator: Callable[..., Any]) -> Callable[..., Any]:
    return operator


@dataclass(frozen=True, slots=True)
class Lane:
    """How a run is made.

    `place` makes an input of the lane from what the user gave, `fitted` the model for the lane
    from one on `meta` (from one with data on `cpu`), `copied` a second one from the first;
    `active` is on while the model runs, `wrapped` makes of an operator, or of a kernel of ours,
    what is called in its place.
    `has_data`: real kernels check what they are given; without data, we do. `limit` is the most
    bytes of activations that may be alive.
    """

    name: str
    place: Callable[[InputSpec | Tensor], Tensor]
    fitted: Callable[[nn.Module], nn.Module]
    copied: Callable[[nn.Module], nn.Module]
    active: Callable[[], AbstractContextManager[Any]]
    has_data: bool = False
    limit: int | None = None
    wrapped: Callable[[Callable[..., Any]], Callable[..., Any]] = _unwrapped


def _on_meta(value: InputSpec | Tensor) -> Tensor:
    if isinstance(value, InputSpec):
        return torch.empty(value.shape, dtype=getattr(torch, value.dtype), device="meta")
    return torch.empty_like(value, device="meta", requires_grad=False)


def _unchanged(model: nn.Module) -> nn.Module:
    return model


META = Lane("meta", _on_meta, _unchanged, meta_copy, values_left_out)


def fake_lane() -> Lane:
    """Fake tensors belong to their mode: each run has a lane of its own."""
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

    mode = FakeTensorMode(allow_non_fake_inputs=True)
    cpu = torch.device("cpu")  # never cuda: a build without it aborts the process

    def placed(tensor: Tensor) -> Tensor:
        return FakeTensor(mode, tensor.detach(), cpu)

    def copied(model: nn.Module) -> nn.Module:
        return placed_copy(model, placed)

    @contextmanager
    def active() -> Iterator[None]:
        with values_left_out(), mode:
            yield

    return Lane("fake", lambda value: placed(_on_meta(value)), copied, copied, active)


def cpu_lane(limit: int | None = None) -> Lane:
    """Real tensors: those that the user gave, else made up from a fixed seed."""
    generator = torch.Generator().manual_seed(SEED)

    def place(value: InputSpec | Tensor) -> Tensor:
        if isinstance(value, Tensor) and not value.is_meta:
            return value.detach().cpu().clone()
        shape, dtype = value.shape, value.dtype
        kind = getattr(torch, dtype) if isinstance(dtype, str) else dtype
        needed = math.prod(shape) * kind.itemsize
        if limit is not None and needed > limit:
            raise LaneError(
                f"an input takes {format_bytes(needed)}, and {format_bytes(limit)} of memory are "
                "left for it"
            )
        if kind.is_floating_point or kind.is_complex:
            return torch.rand(shape, generator=generator).to(kind)
        # ones: a mask of them masks nothing, an index of them is inside all but the smallest table
        return torch.ones(shape, dtype=kind)

    return Lane("cpu", place, _unchanged, data_copy, _steady, has_data=True, limit=limit)


@contextmanager
def _steady() -> Iterator[None]:
    """Random numbers from the fixed seed; the run restores the state that was."""
    torch.default_generator.manual_seed(SEED)  # of the CPU alone, unlike torch.manual_seed
    yield


def available_bytes() -> int:
    """The memory that this process may still take, as far as the machine tells."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        table = {name: int(rest.split()[0]) * 1024 for name, rest in
                 (line.split(":") for line in lines if line.endswith("kB"))}  # fmt: skip
        free = table["MemAvailable"]
    except (OSError, KeyError, ValueError):  # no Linux: half of what there is
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return min([free, *_container_limits()])


def _container_limits() -> Iterator[int]:
    folder = Path("/sys/fs/cgroup")
    try:
        most = (folder / "memory.max").read_text().strip()
        if most.isdigit():
            yield max(0, int(most) - int((folder / "memory.current").read_text()))
    except (OSError, ValueError):
        return
