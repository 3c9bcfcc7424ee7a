"""A product at the end of forward is not returned.

fix: return g * x
output: 2×1
"""

import torch
from torch import nn

example_input = '2,6'


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x):
        g = torch.sigmoid(self.fc(x))
        g * x


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = Gate()
        self.out = nn.Linear(6, 1)

    def forward(self, x):
        return self.out(self.gate(x))
