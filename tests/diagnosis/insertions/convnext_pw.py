"""The linear layers of a ConvNeXt block take the channels last.

fix: self.pw2(F.gelu(self.pw1(y.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)
output: 2×32×14×14
"""

import torch.nn.functional as F
from torch import nn

example_input = "2,32,14,14"


class Net(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.dw = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.pw1 = nn.Linear(dim, 4 * dim)
        self.pw2 = nn.Linear(4 * dim, dim)

    def forward(self, x):
        y = self.dw(x)
        y = self.pw2(F.gelu(self.pw1(y)))
        return x + y
