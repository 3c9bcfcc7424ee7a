"""Layers in an OrderedDict, without flatten.

fix: ("flatten", nn.Flatten()),
output: 2×4
"""

from collections import OrderedDict
from torch import nn

example_input = '2,3,16,16'


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(OrderedDict([
            ("conv", nn.Conv2d(3, 8, 3)),
            ("relu", nn.ReLU()),
            ("fc", nn.Linear(8 * 14 * 14, 4)),
        ]))

    def forward(self, x):
        return self.net(x)
