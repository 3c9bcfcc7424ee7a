"""stack takes one list.

fix: torch.stack([self.a(x), self.b(x)])
output: 2×2×4
"""

import torch
from torch import nn

example_input = "2,8"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 4)
        self.b = nn.Linear(8, 4)

    def forward(self, x):
        return torch.stack(self.a(x), self.b(x))
