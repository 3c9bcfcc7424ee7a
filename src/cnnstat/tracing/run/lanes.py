"""Lanes: the ways to run a model, the cheapest first.

meta    tensors have a shape and no data; sizes that depend on values are the largest possible
fake    the same, but tensors report the CPU as their device, and operators without a shape rule
        run on zeros
cpu     real execution, for models whose control flow needs values
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import LaneError, ModelError
from ...inputs import InputSpec
from ...units import format_bytes
from ..meta_device.autocast_regions import autocast_regions
from ..meta_device.libraries import without_value_reads
from ..process.global_state import SEED, replaced
from ..structure.containers import map_inputs
from ..structure.known_indices import with_indices
from ..user_code.nested_tensors import nested_tensors
from ..user_code.saved_tensors import saved_on_host
from .copies import data_copy, meta_copy, placed_copy


def _identity(operator: Callable[..., Any]) -> Callable[..., Any]:
    return operator


@dataclass(frozen=True, slots=True)
class Lane:
    """How a model is run.

    Args:
        place: from an input of the caller to one of the lane.
        prepare: from a model on `meta` (with data for `cpu`) to one of the lane.
        copy: a second model from a prepared one.
        context: entered while the model runs.
        has_data: whether real kernels run, which check their operands; else `meta_rules` does.
        limit: the maximum bytes of live activations.
        wrap: from an operator, or a kernel of ours, to the callable that runs instead.
    """

    name: str
    place: Callable[[InputSpec | Tensor], Tensor]
    prepare: Callable[[nn.Module], nn.Module]
    copy: Callable[[nn.Module], nn.Module]
    context: Callable[[], AbstractContextManager[Any]]
    has_data: bool = False
    limit: int | None = None
    wrap: Callable[[Callable[..., Any]], Callable[..., Any]] = _identity

    def placed(
        self, inputs: Sequence[Any], named_inputs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of forward, with every `InputSpec` and tensor as one of the lane.

        Raises:
            ModelError: an input has more elements than a tensor can have.
        """
        try:
            named = map_inputs(dict(named_inputs), self.place)
            return map_inputs(tuple(inputs), self.place), named
        except (RuntimeError, TypeError) as error:  # TypeError: a size of more than 64 bits
            shown = ", ".join(str(value) for value in (*inputs, *named_inputs.values()))
            raise ModelError(f"the input {shown} is larger than any memory") from error


def _on_meta(value: InputSpec | Tensor) -> Tensor:
    if isinstance(value, InputSpec):
        return torch.empty(value.shape, dtype=getattr(torch, value.dtype), device="meta")
    if value.is_nested:
        raise LaneError("an input is a nested tensor, whose figures depend on its lengths")
    return with_indices(torch.empty_like(value, device="meta", requires_grad=False), value)


def _unchanged(model: nn.Module) -> nn.Module:
    return model


@contextmanager
def _without_data() -> Iterator[None]:
    with without_value_reads(), autocast_regions(), saved_on_host("cuda"):
        yield


META = Lane("meta", _on_meta, _unchanged, meta_copy, _without_data)


def fake_lane() -> Lane:
    """A lane for one run: fake tensors belong to their mode."""
    from torch._subclasses import fake_tensor

    mode = fake_tensor.FakeTensorMode(allow_non_fake_inputs=True)
    cpu = torch.device("cpu")  # never cuda: a build without it aborts the process

    def placed(tensor: Tensor) -> Tensor:
        return fake_tensor.FakeTensor(mode, tensor.detach(), cpu)

    def copy(model: nn.Module) -> nn.Module:
        return placed_copy(model, placed)

    @contextmanager
    def context() -> Iterator[None]:
        # An operator that fails in a thread of the model is logged with its stack.
        with without_value_reads(), replaced(fake_tensor.log, "disabled", True), mode:
            yield

    return Lane("fake", lambda value: placed(_on_meta(value)), copy, copy, context)


def cpu_lane(limit: int | None = None) -> Lane:
    """Real tensors: the caller's, else random ones from a fixed seed."""
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
        # Ones: as a mask they hide nothing, as an index they are valid in all but tiny tables.
        return torch.ones(shape, dtype=kind)

    return Lane("cpu", place, _unchanged, data_copy, nested_tensors, has_data=True, limit=limit)


def available_bytes() -> int:
    """Bytes of memory that are left to this process, as the system reports them."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        table = {name: int(rest.split()[0]) * 1024 for name, rest in
                 (line.split(":") for line in lines if line.endswith("kB"))}  # fmt: skip
        free = table["MemAvailable"]
    except (OSError, KeyError, ValueError):  # not Linux: half of the memory
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
