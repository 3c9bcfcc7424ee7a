"""The class of an activation among the layers of a Sequential.

fix: nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 2))
output: 4×2
"""

from torch import nn

example_input = "4,10"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(10, 20), nn.ReLU, nn.Linear(20, 2))

    def forward(self, x):
        return self.net(x)
