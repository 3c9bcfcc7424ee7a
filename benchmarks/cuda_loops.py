"""What the parts of benchmarks/cuda.py share: how much is measured, and loops in plain PyTorch."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from cuda_networks import NETWORKS, SHAPES
from torch import Tensor, nn
from torch.nn import functional as F

Row = dict[str, Any]
"""A row of a table: figures in bytes, seconds and shares from 0 to 1; None where there is none."""

SPECS = Path(__file__).parent / "cuda_networks.py"
RATE = 1e-4  # made-up labels teach nothing: a small rate keeps the loss finite
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD, "adamw": torch.optim.AdamW,
}  # fmt: skip
LOWER = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Scale:
    """How much is measured: on a GPU the sizes of the issue at hand, on a CPU small ones."""

    device: str
    quick: bool
    models: tuple[str, ...]

    @property
    def on_cuda(self) -> bool:
        return self.device == "cuda"

    @property
    def batch(self) -> int:
        return 128 if self.on_cuda else 4

    @property
    def batches(self) -> tuple[int, ...]:
        if self.quick:
            return (32,) if self.on_cuda else (2,)
        return (32, 128) if self.on_cuda else (2, 4)

    def among(self, *models: str) -> list[str]:
        """Those of the models that were asked for."""
        return [model for model in models if model in self.models]

    @property
    def precisions(self) -> tuple[str, ...]:
        """A CPU has no TF32."""
        return ("fp32", "tf32", "bf16") if self.on_cuda else ("fp32", "bf16")


# Plain PyTorch


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """TF32 only where it is asked for, in products and convolutions."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


@dataclass
class Loop:
    """A training or inference loop as one writes it by hand, on one batch that stays in memory."""

    network: nn.Module
    images: Tensor
    labels: Tensor
    optimizer: torch.optim.Optimizer | None
    lower: torch.dtype | None

    @classmethod
    def of(
        cls, name: str, batch: int, device: str, optimizer: str | None, precision: str,
        channels_last: bool = False, compiled: bool = False,
    ) -> Loop:  # fmt: skip
        torch.manual_seed(0)
        network = NETWORKS[name]().to(device).train(optimizer is not None)
        images = torch.rand(batch, *SHAPES[name], device=device)
        labels = torch.zeros(batch, dtype=torch.int64, device=device)
        if channels_last:
            network = network.to(memory_format=torch.channels_last)
            images = images.contiguous(memory_format=torch.channels_last)
        made = None
        if optimizer is not None:
            made = OPTIMIZERS[optimizer](network.parameters(), lr=RATE)
        runner: Any = torch.compile(network) if compiled else network
        return cls(runner, images, labels, made, LOWER.get(precision))

    def step(self) -> None:
        """One step. Its output and loss are kept to the end, as in a loop with names for them."""
        cast = torch.autocast(self.images.device.type, self.lower, enabled=bool(self.lower))
        if self.optimizer is None:
            with torch.inference_mode(), cast:
                self.network(self.images)
            return
        self.optimizer.zero_grad(set_to_none=True)
        with cast:
            output = self.network(self.images)
            loss = F.cross_entropy(output, self.labels)
        loss.backward()
        self.optimizer.step()

    def seconds(self, steps: int) -> float:
        """The time of a step: of many, from one moment at which the device is idle to another."""
        synchronize(self.images.device.type)
        start = time.perf_counter()
        for _ in range(steps):
            self.step()
        synchronize(self.images.device.type)
        return (time.perf_counter() - start) / steps


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def release(device: str) -> None:
    """Give all memory back, the workspace of cuBLAS too."""
    gc.collect()
    if device == "cuda":
        clear = getattr(torch._C, "_cuda_clearCublasWorkspaces", None)
        if clear is not None:
            clear()
        torch.cuda.empty_cache()
