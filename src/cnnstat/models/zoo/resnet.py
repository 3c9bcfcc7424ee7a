"""ResNet-18, 34, 50, 101 and 152.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", arXiv 1512.03385, Table 1,
with projection shortcuts where the shape changes (option B) and identity shortcuts elsewhere.
As in torchvision, and unlike the paper: a bottleneck that halves the size does so in its 3×3
convolution instead of its first 1×1 (the "v1.5" form).

Expected at 3×224×224, 1000 classes (MACs of convolutions and linear layers):
    resnet18   11,689,512 params    1,814,073,344 MACs
    resnet34   21,797,672 params    3,663,761,408 MACs
    resnet50   25,557,032 params    4,089,184,256 MACs
    resnet101  44,549,160 params    7,801,405,440 MACs
    resnet152  60,192,808 params   11,513,626,624 MACs
"""

from __future__ import annotations

from torch import Tensor, nn

from .initialization import he_normal


class Projection(nn.Sequential):
    """The shortcut where the shape changes."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)


def shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return Projection(in_channels, out_channels, stride)


class BasicBlock(nn.Module):
    """Fig. 5, left: two 3×3 convolutions."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut = shortcut(in_channels, width, stride)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu1(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        x = self.relu2(y + self.shortcut(x))
        return x


class Bottleneck(nn.Module):
    """Fig. 5, right: 1×1 to fewer channels, 3×3, 1×1 to four times as many."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(out_channels)
        self.shortcut = shortcut(in_channels, out_channels, stride)
        self.relu3 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu1(self.norm1(self.conv1(x)))
        y = self.relu2(self.norm2(self.conv2(y)))
        y = self.norm3(self.conv3(y))
        x = self.relu3(y + self.shortcut(x))
        return x


Block = type[BasicBlock] | type[Bottleneck]


class Stage(nn.Sequential):
    """One row of Table 1: the first block changes the shape, the others keep it."""

    def __init__(self, block: Block, depth: int, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.block1 = block(in_channels, width, stride)
        for i in range(2, depth + 1):
            self.add_module(f"block{i}", block(width * block.expansion, width, stride=1))


class ResNet(nn.Sequential):
    # A Sequential runs its children in the order in which they are assigned here.
    def __init__(
        self, block: Block, depths: tuple[int, int, int, int], in_channels: int, num_classes: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.norm1 = nn.BatchNorm2d(64)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.conv2_x = Stage(block, depths[0], 64, width=64, stride=1)
        self.conv3_x = Stage(block, depths[1], 64 * block.expansion, width=128, stride=2)
        self.conv4_x = Stage(block, depths[2], 128 * block.expansion, width=256, stride=2)
        self.conv5_x = Stage(block, depths[3], 256 * block.expansion, width=512, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(512 * block.expansion, num_classes)
        he_normal(self)


def resnet18(in_channels: int = 3, num_classes: int = 1000) -> ResNet:
    """ResNet-18: N×in_channels×224×224 → N×num_classes."""
    return ResNet(BasicBlock, (2, 2, 2, 2), in_channels, num_classes)


def resnet34(in_channels: int = 3, num_classes: int = 1000) -> ResNet:
    """ResNet-34: N×in_channels×224×224 → N×num_classes."""
    return ResNet(BasicBlock, (3, 4, 6, 3), in_channels, num_classes)


def resnet50(in_channels: int = 3, num_classes: int = 1000) -> ResNet:
    """ResNet-50: N×in_channels×224×224 → N×num_classes."""
    return ResNet(Bottleneck, (3, 4, 6, 3), in_channels, num_classes)


def resnet101(in_channels: int = 3, num_classes: int = 1000) -> ResNet:
    """ResNet-101: N×in_channels×224×224 → N×num_classes."""
    return ResNet(Bottleneck, (3, 4, 23, 3), in_channels, num_classes)


def resnet152(in_channels: int = 3, num_classes: int = 1000) -> ResNet:
    """ResNet-152: N×in_channels×224×224 → N×num_classes."""
    return ResNet(Bottleneck, (3, 8, 36, 3), in_channels, num_classes)
