"""A Sequential gets two inputs.

fix: self.net(torch.cat([x, y], 1))
output: 2×1
"""

import torch  # noqa: F401  # as in the question
from torch import nn

example_input = "2,8"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 8)
        self.net = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x):
        y = self.a(x)
        return self.net(x, y)
