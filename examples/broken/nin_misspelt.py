"""A block of Network in Network in which names are misspelt."""

from torch import nn

example_input = (1, 1, 64, 64)


def nin_block(in_channels, out_channels, kernel_size, strides, padding):
    return nn.Sequential(
        nn.Conv2D(in_channels, out_channels, kernel_size, strides, padding),
        nn.ReLu(),
        nn.Conv2d(out_channels, out_channels, kernel_size=1),
        nn.Relu(),
        nn.Conv2d(out_channels, out_channels, kernel_size=1),
        nn.ReLU(),
    )


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nin_block(1, 96, kernel_size=11, strides=4, padding=0),
            nn.MaxPool2D(3, stride=2),
            nin_block(96, 10, kernel_size=3, strides=1, padding=1),
            nn.AdaptiveAvgPool2d((1, 1)),
            nn.Flatten(),
        )
