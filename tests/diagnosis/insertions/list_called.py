"""A list of layers is called.

fix: self.layers = nn.Sequential(*[nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5)])
output: 4×5
"""

from torch import nn

example_input = "4,10"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5)]

    def forward(self, x):
        return self.layers(x)
