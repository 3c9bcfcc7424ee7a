"""Layers in a list that is unpacked, without flatten.

fix: nn.Flatten(), nn.Linear(8 * 14 * 14, 32)
output: 2×4
"""

from torch import nn

example_input = '2,3,16,16'


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(3, 8, 3), nn.ReLU()]
        layers += [nn.Linear(8 * 14 * 14, 32), nn.ReLU()]
        layers.append(nn.Linear(32, 4))
        self.net = nn.Sequential(*layers)

    def forward(self, x):
        return self.net(x)
