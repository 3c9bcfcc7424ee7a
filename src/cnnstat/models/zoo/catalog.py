"""The table of built-in networks. `cnnstat list` reads it, so nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Entry:
    """One network: its factory, its source, and its number of parameters, which a test checks."""

    name: str
    factory: str  # "module:function"
    source: str
    input: tuple[int, ...]  # N, C, H, W
    params: int  # at the factory's default arguments
    summary: str

    def load(self) -> Callable[..., nn.Module]:
        """Import the factory; this is where torch is first imported."""
        module, _, function = self.factory.partition(":")
        factory: Callable[..., nn.Module] = getattr(import_module(module), function)
        return factory


def _by_name(entries: tuple[Entry, ...]) -> dict[str, Entry]:
    catalog: dict[str, Entry] = {}
    for entry in entries:
        if entry.name in catalog:
            raise ValueError(f"two networks of the zoo are named {entry.name!r}")
        catalog[entry.name] = entry
    return catalog


_MNIST = (1, 1, 28, 28)
_CIFAR10 = (1, 3, 32, 32)
_GRAY = (1, 1, 224, 224)
_IMAGENET = (1, 3, 224, 224)

# fmt: off
CATALOG: dict[str, Entry] = _by_name((
    Entry("lenet", "cnnstat.models.zoo.lenet:lenet", "d2l 7.6",
          _MNIST, 61_706, "LeNet-5, sigmoids, average pooling"),
    Entry("alexnet", "cnnstat.models.zoo.alexnet:alexnet", "NIPS 2012, sec. 3.5; d2l 8.1",
          _IMAGENET, 58_322_314, "AlexNet as one tower, 10 classes"),
    Entry("vgg11", "cnnstat.models.zoo.vgg:vgg11", "arXiv 1409.1556, Table 1, A",
          _IMAGENET, 132_863_336, "8 convolutions, 3 linear layers"),
    Entry("vgg13", "cnnstat.models.zoo.vgg:vgg13", "arXiv 1409.1556, Table 1, B",
          _IMAGENET, 133_047_848, "10 convolutions, 3 linear layers"),
    Entry("vgg16", "cnnstat.models.zoo.vgg:vgg16", "arXiv 1409.1556, Table 1, D",
          _IMAGENET, 138_357_544, "13 convolutions, 3 linear layers"),
    Entry("vgg19", "cnnstat.models.zoo.vgg:vgg19", "arXiv 1409.1556, Table 1, E",
          _IMAGENET, 143_667_240, "16 convolutions, 3 linear layers"),
    Entry("vgg11-bn", "cnnstat.models.zoo.vgg:vgg11_bn", "arXiv 1409.1556, Table 1, A + BN",
          _IMAGENET, 132_868_840, "VGG-11 with batch normalization"),
    Entry("vgg13-bn", "cnnstat.models.zoo.vgg:vgg13_bn", "arXiv 1409.1556, Table 1, B + BN",
          _IMAGENET, 133_053_736, "VGG-13 with batch normalization"),
    Entry("vgg16-bn", "cnnstat.models.zoo.vgg:vgg16_bn", "arXiv 1409.1556, Table 1, D + BN",
          _IMAGENET, 138_365_992, "VGG-16 with batch normalization"),
    Entry("vgg19-bn", "cnnstat.models.zoo.vgg:vgg19_bn", "arXiv 1409.1556, Table 1, E + BN",
          _IMAGENET, 143_678_248, "VGG-19 with batch normalization"),
    Entry("nin", "cnnstat.models.zoo.nin:nin", "d2l 8.3",
          _GRAY, 1_992_166, "Network in Network, no linear layers"),
    Entry("nin-mnist", "cnnstat.models.zoo.nin:nin_mnist", "d2l 8.3, adapted",
          _GRAY, 1_992_166, "NiN without dropout, views its input"),
    Entry("nin-stride3", "cnnstat.models.zoo.nin:nin_stride3", "d2l 8.3, adapted",
          _GRAY, 1_992_166, "NiN with stride 3 in the first block"),
    Entry("nin-cifar10", "cnnstat.models.zoo.nin:nin_cifar10", "arXiv 1312.4400, Fig. 2",
          _CIFAR10, 966_986, "the three-block NiN of the paper"),
    Entry("googlenet", "cnnstat.models.zoo.googlenet:googlenet", "arXiv 1409.4842, Table 1",
          _IMAGENET, 6_998_552, "nine inception modules, no batch norm"),
    Entry("resnet18", "cnnstat.models.zoo.resnet:resnet18", "arXiv 1512.03385, Table 1",
          _IMAGENET, 11_689_512, "residual net of 8 basic blocks"),
    Entry("resnet34", "cnnstat.models.zoo.resnet:resnet34", "arXiv 1512.03385, Table 1",
          _IMAGENET, 21_797_672, "residual net of 16 basic blocks"),
    Entry("resnet50", "cnnstat.models.zoo.resnet:resnet50", "arXiv 1512.03385, Table 1",
          _IMAGENET, 25_557_032, "residual net of 16 bottleneck blocks"),
    Entry("resnet101", "cnnstat.models.zoo.resnet:resnet101", "arXiv 1512.03385, Table 1",
          _IMAGENET, 44_549_160, "residual net of 33 bottleneck blocks"),
    Entry("resnet152", "cnnstat.models.zoo.resnet:resnet152", "arXiv 1512.03385, Table 1",
          _IMAGENET, 60_192_808, "residual net of 50 bottleneck blocks"),
    Entry("densenet121", "cnnstat.models.zoo.densenet:densenet121", "arXiv 1608.06993, Table 1",
          _IMAGENET, 7_978_856, "58 dense layers, growth rate 32"),
    Entry("inception-mnist", "cnnstat.models.zoo.mnist:inception_mnist", 'Lecture "Advanced CNN"',
          _MNIST, 97_298, "two inception blocks for MNIST"),
    Entry("residual-mnist", "cnnstat.models.zoo.mnist:residual_mnist", 'Lecture "Advanced CNN"',
          _MNIST, 41_514, "two residual blocks for MNIST"),
))
# fmt: on


def another_than(spec: str) -> str:
    """Another network to compare with: one of the same input, if `spec` is built in."""
    entry = CATALOG.get(spec)
    same = [name for name, other in CATALOG.items() if entry and other.input == entry.input]
    return next((name for name in same if name != spec), "resnet18")
