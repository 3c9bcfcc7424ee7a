"""GoogLeNet (Inception v1).

Szegedy et al., "Going Deeper with Convolutions", arXiv 1409.4842, Table 1 and Fig. 3.
The paper's form: 5×5 branches that really are 5×5, biases, local response normalization, no batch
normalization (torchvision's differs in all four). The two auxiliary classifiers are left out: they
exist only in training. Pooling rounds up (ceil mode), which gives the sizes of Table 1 with
unpadded 3×3 windows: 112, 56, 28, 14, 7. The normalization uses Caffe's constants; the paper
gives none.

Expected at 3×224×224, 1000 classes: 6,998,552 params (as BVLC GoogLeNet), 1,582,671,872 MACs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .initialization import he_normal


class ConvReLU(nn.Sequential):
    """All convolutions of the paper are followed by a ReLU; padding keeps the size at stride 1."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
    ) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding)
        self.relu = nn.ReLU()


class Inception(nn.Module):
    """Fig. 2(b); the arguments after in_channels are the columns of Table 1, in its order."""

    def __init__(
        self,
        in_channels: int,
        conv1x1: int,
        conv3x3_reduce: int,
        conv3x3: int,
        conv5x5_reduce: int,
        conv5x5: int,
        pool_proj: int,
    ) -> None:
        super().__init__()
        self.conv1x1 = ConvReLU(in_channels, conv1x1, kernel_size=1)
        self.conv3x3_reduce = ConvReLU(in_channels, conv3x3_reduce, kernel_size=1)
        self.conv3x3 = ConvReLU(conv3x3_reduce, conv3x3, kernel_size=3)
        self.conv5x5_reduce = ConvReLU(in_channels, conv5x5_reduce, kernel_size=1)
        self.conv5x5 = ConvReLU(conv5x5_reduce, conv5x5, kernel_size=5)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=1, padding=1)
        self.pool_proj = ConvReLU(in_channels, pool_proj, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        branch1 = self.conv1x1(x)
        branch2 = self.conv3x3(self.conv3x3_reduce(x))
        branch3 = self.conv5x5(self.conv5x5_reduce(x))
        branch4 = self.pool_proj(self.pool(x))
        return torch.cat([branch1, branch2, branch3, branch4], dim=1)


class GoogLeNet(nn.Sequential):
    # A Sequential runs its children in the order in which they are assigned here.
    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = ConvReLU(in_channels, 64, kernel_size=7, stride=2)
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.norm1 = nn.LocalResponseNorm(size=5, alpha=1e-4, beta=0.75)
        self.conv2_reduce = ConvReLU(64, 64, kernel_size=1)
        self.conv2 = ConvReLU(64, 192, kernel_size=3)
        self.norm2 = nn.LocalResponseNorm(size=5, alpha=1e-4, beta=0.75)
        self.pool2 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.pool3 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.pool4 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
        self.pool5 = nn.AvgPool2d(kernel_size=7, stride=1)
        self.dropout = nn.Dropout(0.4)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(1024, num_classes)
        he_normal(self)


def googlenet(in_channels: int = 3, num_classes: int = 1000) -> GoogLeNet:
    """GoogLeNet: N×in_channels×224×224 → N×num_classes."""
    return GoogLeNet(in_channels, num_classes)
