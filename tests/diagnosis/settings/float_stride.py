"""A stride is a float.

fix: nn.Conv2d(3, 8, 3, stride=2, padding=1)
output: 1×8×4×4
"""

from torch import nn

example_input = "1,3,8,8"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2.0, padding=1)

    def forward(self, x):
        return self.conv(x)
