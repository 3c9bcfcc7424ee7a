"""One model on its device, ready to be run and timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from ..bench.fabric import matmul_precision
from ..choices import PRECISIONS, LatencyPrecision
from ..errors import ModelError
from ..inputs import InputSpec
from ..models.loaded import Loaded
from ..tracing.run.lanes import cpu_lane
from ..tracing.structure.containers import map_inputs
from ..tracing.structure.modules import move_to, named_tensors

_DYNAMO_LIMITS = {"recompile_limit": 64, "fail_on_recompile_limit_hit": True}
"""Beyond its limit, torch.compile would run the model uncompiled without an error."""


@dataclass(frozen=True)
class Variant:
    """How a model is run: `threads` are those of the CPU's operators."""

    precision: LatencyPrecision
    threads: int
    device: torch.device
    compile: bool
    channels_last: bool

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, models run in this precision with these threads, without gradients."""
        threads = torch.get_num_threads()
        with (
            matmul_precision(self.precision),
            torch.inference_mode(),
            _dynamo_limits() if self.compile else nullcontext(),
        ):
            torch.set_num_threads(self.threads)
            try:
                yield
            finally:
                torch.set_num_threads(threads)

    def place(self, tensor: Tensor) -> Tensor:
        """A parameter, buffer or input on the device, in the precision if it is a float."""
        dtype = getattr(torch, PRECISIONS[self.precision].parameters)
        lower = tensor.is_floating_point() and dtype is not torch.float32
        placed = tensor.to(self.device, dtype if lower else tensor.dtype)
        if self.channels_last and placed.dim() == 4:
            placed = placed.to(memory_format=torch.channels_last)
        return placed


class Subject:
    """A model in one variant; `set_inputs` sets its batch size."""

    def __init__(self, loaded: Loaded, plain: nn.Module, variant: Variant) -> None:
        self.loaded, self.variant = loaded, variant
        move_to(plain, variant.device)
        self.plain = plain
        dtype = getattr(torch, PRECISIONS[variant.precision].parameters)
        if dtype is not torch.float32:
            self.plain = self.plain.to(dtype)
        if variant.channels_last:
            self.plain = self.plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's overloads lack it
        self.model: Any = self.plain
        if variant.compile:
            self.model = torch.compile(self.plain, dynamic=False)

    def set_inputs(self, loaded: Loaded) -> None:
        """Create the inputs of a copy of `loaded`: random numbers, ones for integers."""
        to_cpu = cpu_lane().place

        def place(value: InputSpec | Tensor) -> Tensor:
            return self.variant.place(to_cpu(value))

        self.inputs: Any = map_inputs(loaded.inputs, place)
        self.named: Any = map_inputs(loaded.named_inputs, place)

    def drop_inputs(self) -> None:
        """Free the memory of the inputs."""
        self.inputs, self.named = (), {}

    def run(self) -> Any:
        """Start one run; on a GPU it may still be computed.

        Autocast is entered anew: it casts the weights once and caches them until it is left.
        """
        dtype = PRECISIONS[self.variant.precision].autocast
        if dtype is None:
            return self.model(*self.inputs, **self.named)
        with torch.autocast(self.variant.device.type, getattr(torch, dtype)):
            return self.model(*self.inputs, **self.named)

    def seconds(self) -> float:
        """The time of one run, from the call until the output is computed."""
        self.synchronize()
        start = perf_counter()
        self.run()
        self.synchronize()
        return perf_counter() - start

    def seconds_back_to_back(self, runs: int) -> float:
        """The time of one of several runs that do not wait for each other, on a GPU."""
        self.synchronize()
        start = perf_counter()
        for _ in range(runs):
            self.run()
        self.synchronize()
        return (perf_counter() - start) / runs

    @cached_property
    def synchronize(self) -> Callable[[], None]:
        """Waits until the device has computed everything."""
        waits = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}
        return waits.get(self.variant.device.type, _nothing)

    def peak_memory(self) -> int | None:
        """Bytes of the weights and of what one run allocates, on a GPU.

        The weights of other subjects are allocated too, and not counted.
        """
        device = self.variant.device
        if device.type != "cuda":
            return None
        self.synchronize()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        self.run()
        self.synchronize()
        return torch.cuda.max_memory_allocated(device) - before + self._weight_bytes()

    def _weight_bytes(self) -> int:
        """Bytes of weights, buffers and inputs, each storage once."""
        tensors = [tensor for _, tensor, _ in named_tensors(self.plain)]
        map_inputs((self.inputs, self.named), tensors.append)  # type: ignore[arg-type]  # its result is not used
        storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
        return sum(storages.values())


def subjects_of(loaded: Loaded, variants: list[Variant]) -> list[Subject]:
    """The model in each variant. Those in float32 share its weights.

    Raises:
        ModelError: it cannot be built with data.
    """
    model = _built(loaded)
    return [Subject(loaded, model if _keeps_dtype(v) else deepcopy(model), v) for v in variants]


def _keeps_dtype(variant: Variant) -> bool:
    return PRECISIONS[variant.precision].parameters == "float32"


def _built(loaded: Loaded) -> nn.Module:
    with_data = loaded.builders.with_data
    if with_data is None:
        raise ModelError(f"{loaded.spec} cannot be run: it has no weights")
    torch.manual_seed(0)
    try:
        return with_data().eval()
    except Exception as error:  # constructors may raise anything
        raise ModelError(
            f"{loaded.spec} cannot be built with data", f"{type(error).__name__}: {error}"
        ) from error


@contextmanager
def _dynamo_limits() -> Iterator[None]:
    from torch import _dynamo  # takes half a second

    known = {name: value for name, value in _DYNAMO_LIMITS.items() if hasattr(_dynamo.config, name)}
    with _dynamo.config.patch(known):
        yield


def _nothing() -> None:
    pass
