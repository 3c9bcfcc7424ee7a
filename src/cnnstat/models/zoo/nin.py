"""Network in Network (NiN).

Lin, Chen, Yan, "Network In Network", arXiv 1312.4400, Fig. 2; Dive into Deep Learning, section 8.3.

`nin` is the form of d2l: AlexNet's convolutions, each followed by two 1×1 convolutions, and global
average pooling instead of linear layers. `nin_mnist` leaves out the dropout and views its input as
224×224 images first; `nin_stride3` starts with stride 3 instead of 4.

`nin_cifar10` is the paper's network of three blocks (section 4) as the authors' model-zoo
definition fixes its widths; there the second pooling averages. The 5×5 convolutions are padded by 2
and the 3×3 by 1, so that only pooling shrinks the maps; pooling rounds up (ceil mode) as Caffe
does: 32 → 16 → 8.

Expected at the default inputs, 10 classes:
    nin          1×224×224   1,992,166 params     762,297,352 MACs
    nin_mnist    1×224×224   1,992,166 params     762,297,352 MACs
    nin_stride3  1×224×224   1,992,166 params   1,412,114,944 MACs
    nin_cifar10  3×32×32       966,986 params     222,486,528 MACs
"""

from __future__ import annotations

from torch import Tensor, nn

from .initialization import xavier_uniform


class NinBlock(nn.Sequential):
    """A k×k convolution, then two 1×1 ones: a small MLP that slides over the pixels."""

    def __init__(
        self,
        in_channels: int,
        channels: tuple[int, int, int],
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels[0], kernel_size, stride, padding)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels[0], channels[1], kernel_size=1)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(channels[1], channels[2], kernel_size=1)
        self.relu3 = nn.ReLU()


class NiN(nn.Sequential):
    # A Sequential runs its children in the order in which they are assigned here.
    def __init__(
        self, in_channels: int, num_classes: int, stride: int = 4, dropout: bool = True
    ) -> None:
        super().__init__()
        classes = (num_classes, num_classes, num_classes)
        self.block1 = NinBlock(in_channels, (96, 96, 96), kernel_size=11, stride=stride)
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.block2 = NinBlock(96, (256, 256, 256), kernel_size=5, padding=2)
        self.pool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.block3 = NinBlock(256, (384, 384, 384), kernel_size=3, padding=1)
        self.pool3 = nn.MaxPool2d(kernel_size=3, stride=2)
        if dropout:
            self.dropout = nn.Dropout(0.5)
        self.block4 = NinBlock(384, classes, kernel_size=3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        xavier_uniform(self)


class NinMnist(NiN):
    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__(in_channels, num_classes, dropout=False)
        self.in_channels = in_channels

    def forward(self, x: Tensor) -> Tensor:
        x = x.view(-1, self.in_channels, 224, 224)
        for layer in self:
            x = layer(x)
        return x


class NinCifar10(nn.Sequential):
    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.block1 = NinBlock(in_channels, (192, 160, 96), kernel_size=5, padding=2)
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.dropout1 = nn.Dropout(0.5)
        self.block2 = NinBlock(96, (192, 192, 192), kernel_size=5, padding=2)
        self.pool2 = nn.AvgPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.dropout2 = nn.Dropout(0.5)
        self.block3 = NinBlock(192, (192, 192, num_classes), kernel_size=3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        xavier_uniform(self)


def nin(in_channels: int = 1, num_classes: int = 10) -> NiN:
    """NiN of d2l: N×in_channels×224×224 → N×num_classes."""
    return NiN(in_channels, num_classes)


def nin_mnist(in_channels: int = 1, num_classes: int = 10) -> NinMnist:
    """NiN without dropout: any input of N·in_channels·224·224 elements → N×num_classes."""
    return NinMnist(in_channels, num_classes)


def nin_stride3(in_channels: int = 1, num_classes: int = 10) -> NiN:
    """NiN with stride 3 in the first block: N×in_channels×224×224 → N×num_classes."""
    return NiN(in_channels, num_classes, stride=3)


def nin_cifar10(in_channels: int = 3, num_classes: int = 10) -> NinCifar10:
    """NiN of the paper for CIFAR-10: N×in_channels×32×32 → N×num_classes."""
    return NinCifar10(in_channels, num_classes)
