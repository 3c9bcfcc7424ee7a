"""Layers are added to a Sequential by name, without flatten.

fix: self.net.add_module("flatten", nn.Flatten())
output: 2×4
"""

from torch import nn

example_input = '2,3,16,16'


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential()
        self.net.add_module("conv", nn.Conv2d(3, 8, 3))
        self.net.add_module("relu", nn.ReLU())
        self.net.add_module("fc", nn.Linear(8 * 14 * 14, 4))

    def forward(self, x):
        return self.net(x)
