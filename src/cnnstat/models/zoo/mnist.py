"""Two small networks with branches for MNIST.

Both are from the lecture "Advanced CNN" of the course "PyTorch Deep Learning Practice". They follow
the lecture's code: torch's default initialization, and functions where the lecture calls functions
(average pooling, ReLU, concatenation, addition, view). One deviation: the lecture calls a single
max-pool module twice; here each pool is its own module, so that each has its own row.

Expected at 1×28×28, 10 classes:
    inception_mnist  97,298 params   6,019,200 MACs
    residual_mnist   41,514 params   2,013,184 MACs
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Inception(nn.Module):
    """Four branches with 24 + 16 + 24 + 24 = 88 channels; no ReLU inside, as in the lecture."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch_pool = nn.Conv2d(in_channels, 24, kernel_size=1)
        self.branch1x1 = nn.Conv2d(in_channels, 16, kernel_size=1)
        self.branch5x5_1 = nn.Conv2d(in_channels, 16, kernel_size=1)
        self.branch5x5_2 = nn.Conv2d(16, 24, kernel_size=5, padding=2)
        self.branch3x3_1 = nn.Conv2d(in_channels, 16, kernel_size=1)
        self.branch3x3_2 = nn.Conv2d(16, 24, kernel_size=3, padding=1)
        self.branch3x3_3 = nn.Conv2d(24, 24, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        branch_pool = self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
        branch1x1 = self.branch1x1(x)
        branch5x5 = self.branch5x5_2(self.branch5x5_1(x))
        branch3x3 = self.branch3x3_3(self.branch3x3_2(self.branch3x3_1(x)))
        return torch.cat([branch_pool, branch1x1, branch5x5, branch3x3], dim=1)


class InceptionMnist(nn.Module):
    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 10, kernel_size=5)
        self.pool1 = nn.MaxPool2d(2)
        self.inception1 = Inception(10)
        self.conv2 = nn.Conv2d(88, 20, kernel_size=5)
        self.pool2 = nn.MaxPool2d(2)
        self.inception2 = Inception(20)
        self.linear = nn.Linear(88 * 4 * 4, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.pool1(self.conv1(x)))
        x = self.inception1(x)
        x = F.relu(self.pool2(self.conv2(x)))
        x = self.inception2(x)
        x = x.view(x.size(0), -1)
        x = self.linear(x)
        return x


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.conv1(x))
        y = self.conv2(y)
        return F.relu(x + y)


class ResidualMnist(nn.Module):
    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 16, kernel_size=5)
        self.pool1 = nn.MaxPool2d(2)
        self.residual1 = Residual(16)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=5)
        self.pool2 = nn.MaxPool2d(2)
        self.residual2 = Residual(32)
        self.linear = nn.Linear(32 * 4 * 4, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.pool1(self.conv1(x)))
        x = self.residual1(x)
        x = F.relu(self.pool2(self.conv2(x)))
        x = self.residual2(x)
        x = x.view(x.size(0), -1)
        x = self.linear(x)
        return x


def inception_mnist(in_channels: int = 1, num_classes: int = 10) -> InceptionMnist:
    """Two inception blocks: N×in_channels×28×28 → N×num_classes."""
    return InceptionMnist(in_channels, num_classes)


def residual_mnist(in_channels: int = 1, num_classes: int = 10) -> ResidualMnist:
    """Two residual blocks: N×in_channels×28×28 → N×num_classes."""
    return ResidualMnist(in_channels, num_classes)
