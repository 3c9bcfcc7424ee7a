"""The bytes that a real training or inference step holds on a device, followed from outside.

Shares no code with cnnstat: a dispatch mode looks at the results of every operator of a plain
PyTorch loop and follows their storages by finalizers until they are freed. What a kernel takes
and gives back inside one operator does not pass the dispatcher, so it is not seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """`live` bytes now and `peak` since `reset`; the operator at the peak is `at`.

    Storages on other devices do not count; CUDA's allocator rounds each up to 512 bytes.
    """

    def __init__(self, device: str = "cpu") -> None:
        super().__init__()
        self.device, self.block = device, 512 if device == "cuda" else 1
        self.live = self.peak = 0
        self.at = ""
        self._seen: dict[int, weakref.finalize] = {}

    def count(self, tensors: Iterable[Any], at: str = "") -> None:
        for tensor in tensors:
            if not isinstance(tensor, Tensor) or tensor.device.type != self.device:
                continue
            if tensor.layout is torch.jagged:
                self.count([tensor.values(), tensor.offsets()], at)
            else:
                self._count(tensor.untyped_storage())
        if self.live > self.peak:
            self.peak, self.at = self.live, at

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, -(-storage.nbytes() // self.block) * self.block
        if key in self._seen:
            return
        self.live += size
        self._seen[key] = weakref.finalize(storage, self._freed, key, size)

    def _freed(self, key: int, size: int) -> None:
        self.live -= size
        del self._seen[key]

    def reset(self) -> None:
        self.peak, self.at = self.live, ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(hasattr(cls, "__tensor_flatten__") for cls in types):
            return NotImplemented  # a jagged tensor dispatches to those inside
        result = func(*args, **(kwargs or {}))
        self.count(tree_leaves(result), func.name())
        return result


Optimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


def training_peak(
    model: nn.Module,
    batch: Tensor,
    target: Tensor,
    optimizer: Optimizer,
    lower: torch.dtype | None = None,
    wrapped: Callable[[nn.Module], nn.Module] = lambda model: model,
    scaler: torch.amp.GradScaler | None = None,
    accumulate: int = 1,
) -> LiveBytes:
    """The most that the second of two training steps holds.

    `lower` is what autocast casts to, `wrapped` puts something around the model, `scaler` scales
    the loss, `accumulate` batches make a step.
    """
    model.train()
    with LiveBytes(batch.device.type) as bytes_:
        bytes_.count([*model.parameters(), *model.buffers(), batch, target])
        runner = wrapped(model)
        stepper = optimizer([p for p in model.parameters() if p.requires_grad])
        for _ in range(2):
            bytes_.reset()
            train_once(runner, batch, target, stepper, lower, scaler, accumulate)
    return bytes_


def train_once(
    model: nn.Module,
    batch: Tensor,
    target: Tensor,
    optimizer: torch.optim.Optimizer,
    lower: torch.dtype | None = None,
    scaler: torch.amp.GradScaler | None = None,
    accumulate: int = 1,
) -> None:
    optimizer.zero_grad(set_to_none=True)
    for _ in range(accumulate - 1):
        differentiate(model, batch, target, lower, scaler)
    held = differentiate(model, batch, target, lower, scaler)
    if scaler is None:
        optimizer.step()
    else:
        scaler.step(optimizer)
        scaler.update()
    del held


def differentiate(
    model: nn.Module,
    batch: Tensor,
    target: Tensor,
    lower: torch.dtype | None,
    scaler: torch.amp.GradScaler | None,
) -> Any:
    """Forward and backward; what a loop goes on holding."""
    with torch.autocast(batch.device.type, lower, enabled=lower is not None):
        output = model(batch)
        if isinstance(output, Tensor):
            loss = F.cross_entropy(output, target)
        else:  # GoogLeNet's auxiliary heads
            first, *others = output
            loss = F.cross_entropy(first, target)
            for other in others:
                loss = loss + F.cross_entropy(other, target)
    (loss if scaler is None else scaler.scale(loss)).backward()
    return output, loss


def inference_peak(model: nn.Module, batch: Tensor, lower: torch.dtype | None = None) -> LiveBytes:
    """The most that a forward pass holds, as under `torch.inference_mode`.

    There autocast keeps no casts of weights. The mode itself is not used: it would show operators
    made of others as one, and what they make inside would not be seen.
    """
    model.eval()
    with torch.no_grad(), LiveBytes(batch.device.type) as bytes_:
        bytes_.count([*model.parameters(), *model.buffers(), batch])
        bytes_.reset()
        with torch.autocast(
            batch.device.type, lower, enabled=lower is not None, cache_enabled=False
        ):
            model(batch)
    return bytes_
