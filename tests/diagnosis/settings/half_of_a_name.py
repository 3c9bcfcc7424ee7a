"""A multiple of a name that the layer before does not have: one fix, not `width * 1` as well.

fix: nn.Linear(width, 10)
output: 1×10
"""

from torch import nn

example_input = "1,32"


class Net(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.first = nn.Linear(32, width)
        self.second = nn.Linear(width * 2, 10)

    def forward(self, x):
        return self.second(self.first(x))
