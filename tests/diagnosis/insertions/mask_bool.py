"""A mask of booleans is multiplied with.

fix: torch.matmul(self.mask.float(), y)
output: 2×10×8
"""

import torch
from torch import nn

example_input = '2,10,8'


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.register_buffer("mask", torch.ones(10, 10).tril() == 1)

    def forward(self, x):
        y = self.fc(x)
        return torch.matmul(self.mask, y)
