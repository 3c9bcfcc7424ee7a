"""DenseNet-121 (the DenseNet-BC form: bottleneck layers and compression 0.5).

Huang, Liu, van der Maaten, Weinberger, "Densely Connected Convolutional Networks",
arXiv 1608.06993, Table 1, growth rate 32.
As in the authors' code, and not written out in Table 1: a batch norm and ReLU follow the first
convolution, and another pair the last dense block. The concatenations are plain; the
memory-saving recomputation of later implementations is left out.

Expected at 3×224×224, 1000 classes: 7,978,856 params, 2,834,161,664 MACs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .initialization import he_normal

GROWTH_RATE = 32
BOTTLENECK_WIDTH = 4 * GROWTH_RATE


class DenseLayer(nn.Module):
    """Appends GROWTH_RATE new maps to its input."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(in_channels, BOTTLENECK_WIDTH, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(BOTTLENECK_WIDTH)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(BOTTLENECK_WIDTH, GROWTH_RATE, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.relu1(self.norm1(x)))
        y = self.conv2(self.relu2(self.norm2(y)))
        # Every layer passes its input on, so the next one sees the maps of all layers before it.
        return torch.cat([x, y], dim=1)


class DenseBlock(nn.Sequential):
    def __init__(self, in_channels: int, layers: int) -> None:
        super().__init__()
        for i in range(layers):
            self.add_module(f"layer{i + 1}", DenseLayer(in_channels + i * GROWTH_RATE))


class Transition(nn.Sequential):
    """Halves the number of maps, and their height and width."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(in_channels, in_channels // 2, kernel_size=1, bias=False)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(nn.Sequential):
    # A Sequential runs its children in the order in which they are assigned here.
    def __init__(
        self, layers: tuple[int, int, int, int], in_channels: int, num_classes: int
    ) -> None:
        super().__init__()
        channels = 2 * GROWTH_RATE
        self.conv1 = nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        for i in range(4):
            self.add_module(f"block{i + 1}", DenseBlock(channels, layers[i]))
            channels += layers[i] * GROWTH_RATE
            if i < 3:
                self.add_module(f"transition{i + 1}", Transition(channels))
                channels //= 2
        self.norm2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(channels, num_classes)
        he_normal(self)


def densenet121(in_channels: int = 3, num_classes: int = 1000) -> DenseNet:
    """DenseNet-121: N×in_channels×224×224 → N×num_classes."""
    return DenseNet((6, 12, 24, 16), in_channels, num_classes)
