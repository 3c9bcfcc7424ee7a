"""VGG-11, 13, 16 and 19, with and without batch normalization.

Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
arXiv 1409.1556, Table 1, configurations A, B, D and E, with the 0.5 dropout of section 3.1.
The paper's form: the last 512×7×7 maps are flattened as they are, without the adaptive pooling
that torchvision inserts to accept other image sizes. The _bn forms are torchvision's: the paper
has no batch normalization. Like torchvision's, their convolutions keep their biases.

Expected at 3×224×224, 1000 classes:
           params        with batch norm   MACs (either form)
    vgg11  132,863,336   132,868,840        7,609,090,048
    vgg13  133,047,848   133,053,736       11,308,466,176
    vgg16  138,357,544   138,365,992       15,470,264,320
    vgg19  143,667,240   143,678,248       19,632,062,464
"""

from __future__ import annotations

from torch import nn

from .initialization import he_normal

CHANNELS = (64, 128, 256, 512, 512)
# Table 1, column by column: the number of 3×3 convolutions before each of the five max pools.
CONFIGURATION_A = (1, 1, 2, 2, 2)
CONFIGURATION_B = (2, 2, 2, 2, 2)
CONFIGURATION_D = (2, 2, 3, 3, 3)
CONFIGURATION_E = (2, 2, 4, 4, 4)


class VggBlock(nn.Sequential):
    def __init__(self, convs: int, in_channels: int, out_channels: int, batch_norm: bool) -> None:
        super().__init__()
        for i in range(1, convs + 1):
            self.add_module(f"conv{i}", nn.Conv2d(in_channels, out_channels, 3, padding=1))
            if batch_norm:
                self.add_module(f"norm{i}", nn.BatchNorm2d(out_channels))
            self.add_module(f"relu{i}", nn.ReLU())
            in_channels = out_channels
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)


class VGG(nn.Sequential):
    # A Sequential runs its children in the order in which they are assigned here.
    def __init__(
        self, configuration: tuple[int, ...], in_channels: int, num_classes: int, batch_norm: bool
    ) -> None:
        super().__init__()
        for i, (convs, channels) in enumerate(zip(configuration, CHANNELS, strict=True), start=1):
            self.add_module(f"block{i}", VggBlock(convs, in_channels, channels, batch_norm))
            in_channels = channels
        self.flatten = nn.Flatten()
        self.linear1 = nn.Linear(512 * 7 * 7, 4096)
        self.relu1 = nn.ReLU()
        self.dropout1 = nn.Dropout(0.5)
        self.linear2 = nn.Linear(4096, 4096)
        self.relu2 = nn.ReLU()
        self.dropout2 = nn.Dropout(0.5)
        self.linear3 = nn.Linear(4096, num_classes)
        he_normal(self)


def vgg11(in_channels: int = 3, num_classes: int = 1000) -> VGG:
    """Configuration A: N×in_channels×224×224 → N×num_classes."""
    return VGG(CONFIGURATION_A, in_channels, num_classes, batch_norm=False)


def vgg13(in_channels: int = 3, num_classes: int = 1000) -> VGG:
    """Configuration B: N×in_channels×224×224 → N×num_classes."""
    return VGG(CONFIGURATION_B, in_channels, num_classes, batch_norm=False)


def vgg16(in_channels: int = 3, num_classes: int = 1000) -> VGG:
    """Configuration D: N×in_channels×224×224 → N×num_classes."""
    return VGG(CONFIGURATION_D, in_channels, num_classes, batch_norm=False)


def vgg19(in_channels: int = 3, num_classes: int = 1000) -> VGG:
    """Configuration E: N×in_channels×224×224 → N×num_classes."""
    return VGG(CONFIGURATION_E, in_channels, num_classes, batch_norm=False)


def vgg11_bn(in_channels: int = 3, num_classes: int = 1000) -> VGG:
    """Configuration A with batch norm: N×in_channels×224×224 → N×num_classes."""
    return VGG(CONFIGURATION_A, in_channels, num_classes, batch_norm=True)


def vgg13_bn(in_channels: int = 3, num_classes: int = 1000) -> VGG:
    """Configuration B with batch norm: N×in_channels×224×224 → N×num_classes."""
    return VGG(CONFIGURATION_B, in_channels, num_classes, batch_norm=True)


def vgg16_bn(in_channels: int = 3, num_classes: int = 1000) -> VGG:
    """Configuration D with batch norm: N×in_channels×224×224 → N×num_classes."""
    return VGG(CONFIGURATION_D, in_channels, num_classes, batch_norm=True)


def vgg19_bn(in_channels: int = 3, num_classes: int = 1000) -> VGG:
    """Configuration E with batch norm: N×in_channels×224×224 → N×num_classes."""
    return VGG(CONFIGURATION_E, in_channels, num_classes, batch_norm=True)
