"""A ModuleList of a generator is called inside a function.

fix: self.layers = nn.Sequential(*(nn.Linear(6, 6) for _ in range(3)))
output: 2×1
"""

import torch.nn.functional as F
from torch import nn

example_input = '2,6'


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))
        self.out = nn.Linear(6, 1)

    def forward(self, x):
        x = F.relu(self.layers(x))
        return self.out(x)
