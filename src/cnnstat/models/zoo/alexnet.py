"""AlexNet as one tower, after Dive into Deep Learning, section 8.1.

Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural Networks",
NIPS 2012, section 3.5 and Fig. 2.
As in d2l, and unlike the paper: no split over two GPUs (so no grouped convolutions), no local
response normalization, 10 classes. Unlike d2l: 3 input channels and padding 3 in the first
convolution instead of 1, which gives the paper's 55×55 maps and its 9,216 features.

Expected at 3×224×224, 10 classes: 58,322,314 params, 1,131,201,056 MACs;
with one input channel: 58,299,082 params, 1,060,924,256 MACs.
"""

from __future__ import annotations

from torch import nn

from .initialization import xavier_uniform


class AlexNet(nn.Sequential):
    # A Sequential runs its children in the order in which they are assigned here.
    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 96, kernel_size=11, stride=4, padding=3)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.conv2 = nn.Conv2d(96, 256, kernel_size=5, padding=2)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.conv3 = nn.Conv2d(256, 384, kernel_size=3, padding=1)
        self.relu3 = nn.ReLU()
        self.conv4 = nn.Conv2d(384, 384, kernel_size=3, padding=1)
        self.relu4 = nn.ReLU()
        self.conv5 = nn.Conv2d(384, 256, kernel_size=3, padding=1)
        self.relu5 = nn.ReLU()
        self.pool5 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.flatten = nn.Flatten()
        self.linear6 = nn.Linear(256 * 6 * 6, 4096)
        self.relu6 = nn.ReLU()
        self.dropout6 = nn.Dropout(0.5)
        self.linear7 = nn.Linear(4096, 4096)
        self.relu7 = nn.ReLU()
        self.dropout7 = nn.Dropout(0.5)
        self.linear8 = nn.Linear(4096, num_classes)
        xavier_uniform(self)


def alexnet(in_channels: int = 3, num_classes: int = 10) -> AlexNet:
    """AlexNet: N×in_channels×224×224 → N×num_classes."""
    return AlexNet(in_channels, num_classes)
