"""A block of two inputs gets a pair.

fix: self.both(*pair)
output: 2×4
"""

import torch
from torch import nn

example_input = "2,8"


class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16, 4)

    def forward(self, a, b):
        return self.fc(torch.cat([a, b], 1))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(8, 8)
        self.r = nn.Linear(8, 8)
        self.both = Both()

    def forward(self, x):
        pair = (self.l(x), self.r(x))
        return self.both(pair)
