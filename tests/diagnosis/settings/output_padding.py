"""A transposed convolution gives 2n - 1 of n without output_padding.

question: https://pythonfixing.com/2022/02/fixed-convolution-and-convolution.html
fix: nn.ConvTranspose2d(32, 16, 3, padding=1, stride=2, output_padding=1)
output: 1×16×24×24
"""

import torch
from torch import nn

example_input = "1,3,24,24"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.down = nn.Conv2d(16, 32, 3, padding=1, stride=2)
        self.up = nn.ConvTranspose2d(32, 16, 3, padding=1, stride=2)
        self.last = nn.Conv2d(32, 16, 3, padding=1)

    def forward(self, x):
        skip = self.stem(x).relu()
        x = self.up(self.down(skip).relu())
        return self.last(torch.cat([skip, x], dim=1))
