"""A pool with more padding than half its kernel.

fix: nn.MaxPool2d(2, padding=1)
output: 1×8
"""

from torch import nn

example_input = "1,3,8,8"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2, padding=2)

    def forward(self, x):
        return self.pool(self.conv(x)).mean((2, 3))
