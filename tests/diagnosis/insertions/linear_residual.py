"""A residual connection past a linear layer that changes the width.

fix: h = self.fc2(h) + self.shortcut(x)
and: self.shortcut = nn.Linear(inp, hidden)
output: 4×2
"""

import torch.nn.functional as F
from torch import nn

example_input = "4,20"


class Net(nn.Module):
    def __init__(self, inp=20, hidden=64):
        super().__init__()
        self.fc1 = nn.Linear(inp, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 2)

    def forward(self, x):
        h = F.relu(self.fc1(x))
        h = self.fc2(h) + x
        return self.out(h)
