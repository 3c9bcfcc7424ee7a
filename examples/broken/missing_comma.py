"""A comma is missing behind a layer."""

from torch import nn

example_input = (1, 1, 28, 28)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 8, 3),
            nn.ReLU()
            nn.Flatten(),
            nn.Linear(8 * 26 * 26, 10),
        )
