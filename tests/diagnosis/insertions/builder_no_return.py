"""A function that creates layers returns nothing.

fix: return nn.Sequential(nn.Linear(a, 16), nn.ReLU(), nn.Linear(16, b))
output: 2×3
"""

from torch import nn

example_input = '2,6'


def mlp(a, b):
    nn.Sequential(nn.Linear(a, 16), nn.ReLU(), nn.Linear(16, b))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = mlp(6, 3)

    def forward(self, x):
        return self.body(x)
