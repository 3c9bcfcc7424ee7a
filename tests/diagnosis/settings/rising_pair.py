"""One wrong argument of a function that is used in both stages.

fix: pair(c_out, c_out)
output: 1×2×32×32
"""

import torch
from torch import nn

example_input = "1,1,32,32"


def pair(c_in, c_out):
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(c_out, c_out, 3, padding=1),
        nn.ReLU(),
    )


def rise(c_in, c_out):
    return nn.Sequential(nn.ConvTranspose2d(c_in, c_out, 2, stride=2), pair(c_in, c_out))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.three = pair(1, 16), pair(16, 32), pair(32, 64)
        self.pool = nn.MaxPool2d(2)
        self.rise2, self.rise1 = rise(64, 32), rise(64, 16)
        self.last = nn.Conv2d(32, 2, 1)

    def forward(self, x):
        a = self.one(x)
        b = self.two(self.pool(a))
        z = self.three(self.pool(b))
        z = torch.cat([self.rise2(z), b], dim=1)
        return self.last(torch.cat([self.rise1(z), a], dim=1))
