"""The lower bound of a step held against real steps: `python benchmarks/roofline.py [MODEL …]`.

The peaks of this machine's CPU are measured before and after; of each figure the higher is taken.
In between every model runs for real, in fp32 with random weights: forward passes, and training
steps of forward pass, backward pass and update by fused SGD. All of it on one thread and in CPU
time, so that what else the machine does counts as little as can be. Prints the table of
docs/roofline.md. Takes some minutes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
from msgspec.structs import replace
from torch import nn

import cnnstat
from cnnstat.models.load import load

MODELS = (
    "lenet", "alexnet", "nin", "googlenet", "resnet18", "resnet50", "densenet121",
    "torchvision:mobilenet_v2", "torchvision:squeezenet1_1", "torchvision:efficientnet_b0",
)  # fmt: skip
REPEATS = 2
BATCHES = {"lenet": 512}
USUAL_BATCH = 4


def main() -> None:
    torch.set_num_threads(1)
    models = sys.argv[1:] or MODELS
    before = cnnstat.measure_device("cpu", time.process_time)
    measured = {model: real_steps(model) for model in models}
    device = higher(before, cnnstat.measure_device("cpu", time.process_time))
    print(f"{device.title}, torch {torch.__version__}: "
          f"{device.peak_flops['fp32'] / 1e9:.0f} GFLOP/s in fp32, "
          f"{device.bandwidth / 1e9:.1f} GB/s\n")  # fmt: skip
    print("| model | batch | step | bound, ms | measured, ms | bound / measured | bound by |")
    print("| --- | ---: | --- | ---: | ---: | ---: | --- |")
    for model, pair in measured.items():
        for training, real in zip((False, True), pair, strict=True):
            step = cnnstat.roofline(model, device=device, batch_size=batch(model),
                                    training=training)  # fmt: skip
            root = step.layers[0]
            print(f"| {model} | {batch(model)} | {'training' if training else 'inference'} "
                  f"| {1e3 * step.seconds:.0f} | {1e3 * real:.0f} | {step.seconds / real:.2f} "
                  f"| {root.bound} |")  # fmt: skip


def real_steps(model: str) -> tuple[float, float]:
    print(model, file=sys.stderr)
    return seconds(model, training=False), seconds(model, training=True)


def batch(model: str) -> int:
    return BATCHES.get(model, USUAL_BATCH)


def seconds(model: str, training: bool) -> float:
    """The shortest of a few steps, after one for warm-up: the bound is to hold for each."""
    loaded = load(model, (), {}, {})
    assert loaded.builders.with_data is not None
    torch.manual_seed(0)
    net = loaded.builders.with_data().train(training)
    x = torch.rand(batch(model), *loaded.inputs[0].shape[1:])
    step = training_step(net, x) if training else inference(net, x)
    step()
    return min(timed(step) for _ in range(REPEATS))


def inference(net: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    def step() -> None:
        with torch.no_grad():
            net(x)

    return step


def training_step(net: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6, fused=True)
    gradient = torch.ones_like(net(x))  # there is no loss, as in the prediction

    def step() -> None:
        net(x).backward(gradient)
        optimizer.step()
        optimizer.zero_grad()

    return step


def timed(step: Callable[[], None]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def higher(a: cnnstat.Device, b: cnnstat.Device) -> cnnstat.Device:
    peaks = {p: max(a.peak_flops[p], b.peak_flops[p]) for p in a.peak_flops}
    return replace(a, peak_flops=peaks, bandwidth=max(a.bandwidth, b.bandwidth))


if __name__ == "__main__":
    main()
