"""The parts of benchmarks/cuda.py on memory: what is predicted, allocated, and held by tensors."""

from __future__ import annotations

import gc
import importlib.util
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from cuda_kinds import IDS, WORDS, kinds
from cuda_loops import LOWER, OPTIMIZERS, RATE, Loop, Row, Scale, products_in, release
from cuda_networks import NETWORKS, SHAPES

sys.path.insert(0, str(Path(__file__).parent.parent))
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import cnnstat
from tests.live_bytes import inference_peak, training_peak

# Allocated


class PeakOperator(TorchDispatchMode):
    """Finds the operator at whose execution the allocator holds most.

    `peak` is that in bytes, `inside` what the operator took and gave back while it ran (the
    workspace of a kernel), beyond what was allocated before or after it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = self.inside = 0
        self.name = ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        result = func(*args, **(kwargs or {}))
        peak = torch.cuda.max_memory_allocated()
        if peak > self.peak:
            self.peak, self.name = peak, func.name().removeprefix("aten::")
            self.inside = peak - max(before, torch.cuda.memory_allocated())
        return result


STEPS_OF_MEMORY = (("inference", None), ("training", "sgd"), ("training", "adamw"))


def memory(scale: Scale) -> Iterator[Row]:
    """Predicted peak memory, and the one of the second of two steps."""
    steps = STEPS_OF_MEMORY[:2] if scale.quick else STEPS_OF_MEMORY
    names = scale.among("NiN", "AlexNet", "ResNet50", "ViT")
    for name, precision, batch, (step, optimizer) in product(
        names, ("fp32", "bf16"), scale.batches, steps
    ):
        predicted = cnnstat.memory(
            NETWORKS[name](), (batch, *SHAPES[name]), optimizer=optimizer or "sgd",
            inference=optimizer is None, precision=precision, device=scale.device,
        )  # fmt: skip
        make = partial(Loop.of, name, batch, scale.device, optimizer, precision)
        with products_in(precision):
            found = on_cuda(make) if scale.on_cuda else on_cpu(make(), optimizer)
        yield {
            "model": name, "precision": precision, "batch": batch,
            "step": step if optimizer is None else f"{step}, {optimizer}",
            "predicted": predicted.peak_bytes,
            "difference": predicted.peak_bytes / found["measured"] - 1, **found,
        }  # fmt: skip


def on_cuda(make: Callable[[], Loop]) -> Row:
    """The allocator's peak, and of what of it no prediction of tensors can know.

    `requested` are the bytes asked for at the peak: beyond are those that blocks are larger.
    """
    release("cuda")
    base = torch.cuda.memory_allocated()
    loop = make()
    loop.step()
    torch.cuda.reset_peak_memory_stats()
    loop.step()
    torch.cuda.synchronize()
    measured = torch.cuda.max_memory_allocated() - base
    requested = torch.cuda.memory_stats().get("requested_bytes.all.peak")
    with PeakOperator() as at:
        loop.step()
    del loop
    gc.collect()
    cublas = torch.cuda.memory_allocated() - base
    return {"measured": measured, "requested": requested, "cublas": cublas,
            "inside": at.inside, "operator": at.name}  # fmt: skip


def on_cpu(loop: Loop, optimizer: str | None) -> Row:
    """The peak of the tensors alive: a CPU has no allocator that counts."""
    release("cpu")
    if optimizer is None:
        return {"measured": inference_peak(loop.network, loop.images, loop.lower).peak}
    stepper = partial(OPTIMIZERS[optimizer], lr=RATE)
    peak = training_peak(loop.network, loop.images, loop.labels, stepper, loop.lower).peak
    return {"measured": peak}


# Held by tensors


ZOO = ("alexnet", "vgg11_bn", "googlenet", "resnet18", "resnext50_32x4d", "densenet121",
       "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "shufflenet_v2_x1_0", "mnasnet1_0",
       "regnet_y_400mf", "squeezenet1_1", "convnext_tiny", "swin_t", "swin_v2_t", "vit_b_16",
       "maxvit_t")  # fmt: skip


def tensors(scale: Scale) -> Iterator[Row]:
    """The most that tensors hold on the device, without workspaces, for networks of many kinds."""
    batch = 32 if scale.on_cuda else 2
    found = [(name, make, (batch, *shape)) for name, (make, shape) in kinds().items()]
    if scale.quick:
        found = found[::8]
    elif importlib.util.find_spec("torchvision"):
        from torchvision.models import get_model

        found += [(name, partial(get_model, name), (8, 3, 224, 224)) for name in ZOO]
    for (name, make, shape), precision in product(found, ("fp32", "bf16")):
        for training in (True, False):
            row = {
                "model": name, "precision": precision, "batch": shape[0],
                "step": "training, sgd" if training else "inference",
            }  # fmt: skip
            try:
                yield {**row, **held(make, shape, precision, training, scale.device)}
            except Exception as error:  # one network of many: the row says what went wrong
                first = next(iter(str(error).splitlines()), "")
                yield {**row, "failed": f"{type(error).__name__}: {first}"}


def held(
    make: Callable[[], nn.Module], shape: tuple[int, ...], precision: str, training: bool,
    device: str,
) -> Row:  # fmt: skip
    """What is predicted for a step, and what its tensors hold."""
    release(device)
    torch.manual_seed(0)
    batch = torch.randint(WORDS, shape) if shape[1:] == IDS else torch.rand(shape)
    predicted = cnnstat.memory(
        make(), batch, inference=not training, precision=precision, device=device
    )
    network, examples, lower = make().to(device), batch.to(device), LOWER.get(precision)
    if training:
        labels = torch.zeros(len(batch), dtype=torch.int64, device=device)
        real = training_peak(network, examples, labels, partial(torch.optim.SGD, lr=RATE), lower)
    else:
        real = inference_peak(network, examples, lower)
    return {
        "predicted": predicted.peak_bytes, "measured": real.peak, "at": real.at,
        "difference": predicted.peak_bytes / real.peak - 1,
        "predicted_at": predicted.peak.operator,
    }  # fmt: skip
