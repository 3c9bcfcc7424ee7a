"""Activations of torch are called as attributes that no constructor assigns.

fix: torch.relu(self.first(x))
and: torch.relu(self.second(x))
output: 4×2
"""

import torch  # noqa: F401  # as files of models do
from torch import nn

example_input = "4,10"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(10, 20)
        self.second = nn.Linear(20, 20)
        self.out = nn.Linear(20, 2)

    def forward(self, x):
        x = self.relu(self.first(x))
        return self.out(self.relu(self.second(x)))
