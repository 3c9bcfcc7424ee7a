"""Layers are appended to a list, without flatten.

fix: layers.append(nn.Flatten())
output: 2×4
"""

from torch import nn

example_input = '2,3,16,16'


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        layers.append(nn.Conv2d(3, 8, 3))
        layers.append(nn.ReLU())
        layers.append(nn.Linear(8 * 14 * 14, 4))
        self.net = nn.Sequential(*layers)

    def forward(self, x):
        return self.net(x)
