"""The table is a module of its own, and its length is passed to it.

question: https://github.com/lukemelas/PyTorch-Pretrained-ViT/issues/14
fix: def __init__(self, dim=16, image=64, patch=16):
output: 1×16×16
"""

import torch
from torch import nn

example_input = "1,3,64,64"


class Positions(nn.Module):
    def __init__(self, length, dim):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, length, dim))

    def forward(self, x):
        return x + self.table


class Net(nn.Module):
    def __init__(self, dim=16, image=384, patch=16):
        super().__init__()
        self.patches = nn.Conv2d(3, dim, patch, patch)
        self.positions = Positions((image // patch) ** 2, dim)

    def forward(self, x):
        return self.positions(self.patches(x).flatten(2).transpose(1, 2))
