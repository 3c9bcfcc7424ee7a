"""The bytes that a rank of real FSDP holds: processes on the CPU that exchange over gloo.

Shares no code with cnnstat but the models. What gloo copies inside an exchange is left out: it
reduces in a copy of the buffer, which NCCL does not.
"""

from __future__ import annotations

import os
import socket
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.multiprocessing import get_context, start_processes
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint

from cnnstat.pipeline import load_model
from cnnstat.run_config import ModelRequest
from tests.live_bytes import LiveBytes, train_once

OPTIMIZERS = {
    "sgd": partial(torch.optim.SGD, lr=0.1),
    "momentum": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    "adamw": partial(torch.optim.AdamW, lr=0.1),
}


@dataclass(frozen=True)
class Job:
    """A step of a model whose `units` are sharded one by one; without optimizer at inference."""

    spec: str
    shape: tuple[int, ...]
    units: tuple[str, ...]
    optimizer: str | None = "sgd"
    lower: torch.dtype | None = None
    checkpointed: tuple[str, ...] = ()
    accumulate: int = 1


class PresentBytes(LiveBytes):
    """Sums up what every storage alive holds now: FSDP empties storages and fills them again."""

    def __init__(self) -> None:
        super().__init__()
        self._alive: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def _count(self, storage: torch.UntypedStorage) -> None:
        self._alive[storage._cdata] = weakref.ref(storage, partial(self._gone, storage._cdata))

    def _gone(self, key: int, reference: object) -> None:
        if self._alive.get(key) is reference:
            del self._alive[key]

    def count(self, tensors: Any, at: str = "") -> None:
        for tensor in tensors:
            local = getattr(tensor, "_local_tensor", tensor)
            if isinstance(local, Tensor):
                self._count(local.untyped_storage())
        storages = [reference() for reference in list(self._alive.values())]
        self.live = sum(storage.nbytes() for storage in storages if storage is not None)
        if self.live > self.peak:
            self.peak, self.at = self.live, at

    def reset(self) -> None:
        self.peak, self.at = 0, ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(cls.__name__ == "DTensor" for cls in types):
            return NotImplemented  # it comes again with the tensors of this rank
        result = func(*args, **(kwargs or {}))
        if not any(cls.__name__ == "FakeTensor" for cls in types):
            self.count(tree_leaves(result), func.name())
        return result


class UnseenReduction:
    """FSDP's own reduction, whose copies inside are not counted."""

    def allocate(self, size: Sequence[int], *, dtype: torch.dtype, device: torch.device) -> Tensor:
        return torch.empty(*size, dtype=dtype, device=device)

    def __call__(self, output_tensor: Tensor, input_tensor: Tensor, **options: Any) -> Any:
        with _disable_current_modes():
            return distributed.reduce_scatter_single(output_tensor, input_tensor, **options)


def peaks(jobs: Sequence[Job], ranks: int) -> list[int]:
    """The most that the first rank holds in the second of two steps, for each job."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = get_context("spawn").SimpleQueue()
    start_processes(_rank, (ranks, port, jobs, results), nprocs=ranks, start_method="spawn")
    found: list[int] = results.get()
    return found


def _rank(rank: int, ranks: int, port: int, jobs: Sequence[Job], results: Any) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    distributed.init_process_group("gloo", rank=rank, world_size=ranks)
    found = [_peak(job, ranks) for job in jobs]
    if rank == 0:
        results.put(found)
    distributed.barrier()
    distributed.destroy_process_group()


def _peak(job: Job, ranks: int) -> int:
    model = load_model(ModelRequest(job.spec, (job.shape,))).builders.with_data()
    model.train(job.optimizer is not None)
    for path in job.checkpointed:
        module = model.get_submodule(path)
        module.forward = partial(checkpoint, module.forward, use_reentrant=False)
    _shard(model, job, ranks)
    batch, target = torch.rand(job.shape), torch.zeros(job.shape[0], dtype=torch.int64)
    with PresentBytes() as bytes_:
        bytes_.count([*model.parameters(), *model.buffers(), batch])
        if job.optimizer is None:
            for _ in range(2):
                bytes_.reset()
                with torch.no_grad():
                    model(batch)
            return bytes_.peak
        bytes_.count([target])
        stepper = OPTIMIZERS[job.optimizer]([p for p in model.parameters() if p.requires_grad])
        for _ in range(2):
            bytes_.reset()
            train_once(model, batch, target, stepper, accumulate=job.accumulate)
    return bytes_.peak


def _shard(model: nn.Module, job: Job, ranks: int) -> None:
    mesh = init_device_mesh("cpu", (ranks,))
    policy = MixedPrecisionPolicy()
    if job.lower is not None:
        policy = MixedPrecisionPolicy(param_dtype=job.lower, reduce_dtype=torch.float32)
    for module in (*(model.get_submodule(path) for path in reversed(job.units)), model):
        unit: Any = fully_shard(module, mesh=mesh, mp_policy=policy)
        if (
            any(True for _ in module.parameters(recurse=True))
            and unit._get_fsdp_state()._fsdp_param_group
        ):
            unit.set_custom_reduce_scatter(UnseenReduction())
