"""LeNet-5 in the form of Dive into Deep Learning, section 7.6.

LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998, Fig. 2.
As in d2l, and unlike the paper: 28×28 images padded in the first convolution instead of 32×32
images, plain sigmoids, average pooling without weights, every map of the second convolution sees
all six maps of the first, and a linear output layer instead of the Gaussian one.

Expected at 1×28×28, 10 classes: 61,706 params, 416,520 MACs.
"""

from __future__ import annotations

from torch import nn

from .initialization import xavier_uniform


class LeNet(nn.Sequential):
    # A Sequential runs its children in the order in which they are assigned here.
    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 6, kernel_size=5, padding=2)
        self.sigmoid1 = nn.Sigmoid()
        self.pool1 = nn.AvgPool2d(kernel_size=2, stride=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.sigmoid2 = nn.Sigmoid()
        self.pool2 = nn.AvgPool2d(kernel_size=2, stride=2)
        self.flatten = nn.Flatten()
        self.linear1 = nn.Linear(16 * 5 * 5, 120)
        self.sigmoid3 = nn.Sigmoid()
        self.linear2 = nn.Linear(120, 84)
        self.sigmoid4 = nn.Sigmoid()
        self.linear3 = nn.Linear(84, num_classes)
        xavier_uniform(self)


def lenet(in_channels: int = 1, num_classes: int = 10) -> LeNet:
    """LeNet-5: N×in_channels×28×28 → N×num_classes."""
    return LeNet(in_channels, num_classes)
