"""A GRU in a Sequential returns a pair.

fix: First(),
and: class First(nn.Module):
output: 2×10×2
"""

from torch import nn

example_input = "2,10,8"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(8, 16),
            nn.GRU(16, 32, batch_first=True),
            nn.ReLU(),
            nn.Linear(32, 2),
        )

    def forward(self, x):
        return self.net(x)
