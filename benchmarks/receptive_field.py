"""Compare receptive fields with the extent of gradients of real runs on random weights.

    python benchmarks/receptive_field.py [layouts|zoo|torchvision] …

Of elements near the middle of an output, the pixels with a nonzero gradient are those that they
see. The figure is the largest of all positions, so the largest extent of several counts.
"""

from __future__ import annotations

import random
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import torch
from torch import Tensor, nn

import cnnstat
from cnnstat.models.torchvision_import import torchvision as import_torchvision
from cnnstat.models.zoo.catalog import CATALOG

Verdict = Literal["equal", "within the input", "no figure", "different"]
ROWS = 12  # of each model, evenly spread
ELEMENTS = 60


@dataclass(frozen=True)
class Comparison:
    name: str
    stated: tuple[float, ...] | str  # why there is none
    measured: tuple[int, ...]  # along every axis of the input
    verdict: Verdict


def compare(
    name: str, stated: tuple[float, ...] | None, reason: str | None, measured: Sequence[int],
    shape: Sequence[int],
) -> Comparison:  # fmt: skip
    """Whether a stated field is the measured one, along the axes that it is of.

    A field that is larger than the input, or nearly so, reaches over its border from the middle:
    then less is measured.
    """
    extents = tuple(measured)
    if stated is None and reason != "whole input":
        return Comparison(name, reason or "–", extents, "no figure")
    if stated is None:
        axes = _spatial(extents, shape)
        # windows may leave out a pixel at the border
        covered = all(9 * shape[axis] <= 10 * extents[axis] for axis in axes)
        return Comparison(name, "whole input", extents, "equal" if covered else "different")
    for first in range(len(shape) - len(stated) + 1):
        pairs = list(zip(extents[first:], stated, shape[first:], strict=False))[: len(stated)]
        if all(n == size for n, size, _ in pairs):
            return Comparison(name, stated, extents, "equal")
    pairs = list(zip(extents[-len(stated) :], stated, shape[-len(stated) :], strict=True))
    larger = all(n == size or (n <= size and 2 * size > side) for n, size, side in pairs)
    return Comparison(name, stated, extents, "within the input" if larger else "different")


def _spatial(extents: Sequence[int], shape: Sequence[int]) -> range:
    return range(2, len(shape)) if len(shape) > 2 else range(len(shape))


def extent(
    y: Tensor, x: Tensor, elements: int = ELEMENTS, seed: int = 0, near: int = 4
) -> Tensor | None:
    """The largest extent of nonzero gradients of elements around the middle, by axis of `x`.

    The elements are at most `near` places from the middle of each axis of `y`.
    """
    choice = random.Random(seed)
    ranges = [range(max(0, n // 2 - near), min(n, n // 2 + near + 1)) for n in y.shape]
    total = 1
    for places in ranges:
        total *= len(places)
    indices = list(product(*ranges)) if total < 10_000 else [
        tuple(choice.choice(places) for places in ranges) for _ in range(elements)
    ]  # fmt: skip
    choice.shuffle(indices)
    largest = None
    for index in indices[:elements]:
        (gradient,) = torch.autograd.grad(y[index], x, retain_graph=True)
        places = gradient.nonzero()
        if len(places):
            found = places.max(0).values - places.min(0).values + 1
            largest = found if largest is None else torch.maximum(largest, found)
    return largest


def measured_output(net: nn.Module, shape: Sequence[int], seeds: int = 3) -> tuple[int, ...]:
    """The extent for the output of a network, with several random weights."""
    largest = torch.zeros(len(shape), dtype=torch.long)
    for seed in range(seeds):
        torch.manual_seed(seed)
        for parameter in net.parameters():
            nn.init.normal_(parameter, std=0.5)
        x = torch.randn(tuple(shape), requires_grad=True)
        found = extent(net(x), x, seed=seed)
        if found is not None:
            largest = torch.maximum(largest, found)
    return tuple(largest.tolist())


def layout(name: str, net: nn.Module, shape: Sequence[int], seeds: int = 3) -> Comparison:
    row = cnnstat.analyze(net, tuple(shape)).layers[0]
    found = measured_output(net, shape, seeds)
    return compare(name, row.receptive_field, row.receptive_field_reason, found, shape)


def rows(name: str, net: nn.Module, shape: Sequence[int]) -> list[Comparison]:
    """Some rows of a model, by the outputs of its modules in one real run."""
    analysis = cnnstat.analyze(net, tuple(shape))
    outputs: dict[str, Tensor] = {}

    def keep(path: str) -> None:
        def hook(module: nn.Module, args: object, result: object) -> None:
            if isinstance(result, Tensor):
                outputs.setdefault(path, result)

        handles.append(net.get_submodule(path).register_forward_hook(hook))

    smooth(net)
    handles: list[torch.utils.hooks.RemovableHandle] = []
    modules = [x for x in analysis.layers if x.kind == "module" and x.call == 0 and x.path]
    for row in modules:
        keep(row.path)
    x = torch.randn(tuple(shape), requires_grad=True)
    net.eval()(x)
    for handle in handles:
        handle.remove()
    present = [row for row in modules if row.path in outputs and outputs[row.path].requires_grad]
    step = max(1, len(present) // ROWS)
    results = []
    for row in present[::step]:
        stated, reason = row.receptive_field, row.receptive_field_reason
        y = outputs[row.path]
        # of concatenated channels, those in the middle see less than the last ones
        for elements, near in ((4, 4), (ELEMENTS, max(y.shape))):
            largest = extent(y, x, elements, near=near)
            if largest is None:
                continue
            result = compare(f"{name}: {row.path}", stated, reason, largest.tolist(), shape)
            if result.verdict != "different":
                break
        if largest is not None:
            results.append(result)
    return results


def smooth(net: nn.Module) -> nn.Module:
    """The network with averages for maxima and Softplus for ReLU.

    The gradient of a maximum is that of one pixel of its window, and that of ReLU is often 0: few
    elements would show less than the network can see.
    """
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.MaxPool2d) and module.dilation == 1:
            settings = (module.kernel_size, module.stride, module.padding, module.ceil_mode)
            net.set_submodule(name, nn.AvgPool2d(*settings))
        elif isinstance(module, nn.ReLU | nn.ReLU6):
            net.set_submodule(name, nn.Softplus())
    return net


def zoo() -> list[Comparison]:
    results = []
    for entry in CATALOG.values():
        torch.manual_seed(0)
        results += rows(entry.name, entry.load()(), entry.input)
    return results


TORCHVISION = (
    "alexnet", "vgg11_bn", "squeezenet1_1", "resnet18", "resnet50", "mobilenet_v2",
    "mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5", "efficientnet_b0", "regnet_y_400mf",
    "densenet121", "googlenet", "convnext_tiny", "swin_t", "swin_v2_t", "vit_b_32", "maxvit_t",
)  # fmt: skip


def torchvision() -> list[Comparison]:
    models = import_torchvision().models
    results = []
    for name in TORCHVISION:
        torch.manual_seed(0)
        options = {"init_weights": True, "aux_logits": False} if name == "googlenet" else {}
        net = models.get_model(name, weights=None, **options)
        results += rows(name, net, (1, 3, 224, 224))
    return results


def layouts() -> list[Comparison]:
    from receptive_field_layouts import LAYOUTS

    return [layout(name, net, shape) for name, (net, shape) in LAYOUTS.items()]


def main(parts: Sequence[str]) -> int:
    warnings.filterwarnings("ignore")
    different = 0
    for part in parts or ("layouts", "zoo", "torchvision"):
        results = {"layouts": layouts, "zoo": zoo, "torchvision": torchvision}[part]()
        counts = Counter(result.verdict for result in results)
        different += counts["different"]
        print(f"{part}: {len(results)}, {dict(counts)}")
        for result in results:
            if part == "layouts" or result.verdict in ("different", "no figure"):
                print(f"  {result.verdict:16}  {result.name}: {result.stated}, {result.measured}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
