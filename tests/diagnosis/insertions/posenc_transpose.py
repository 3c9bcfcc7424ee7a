"""A table of positions has the batch second.

fix: x = x + self.pe[: x.size(1)].transpose(0, 1)
output: 3×20×2
"""

import torch
from torch import nn

example_input = '3,20,16'


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.pe = nn.Parameter(torch.zeros(100, 1, 16))
        self.fc = nn.Linear(16, 2)

    def forward(self, x):
        x = x + self.pe[: x.size(1)]
        return self.fc(x)
