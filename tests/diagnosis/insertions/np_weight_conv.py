"""A fixed kernel comes from numpy.

fix: nn.Parameter(torch.from_numpy(k)[None, None].float(), requires_grad=False)
output: 2×8×14×14
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

example_input = '2,1,16,16'


class Sobel(nn.Module):
    def __init__(self):
        super().__init__()
        k = np.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
        self.weight = nn.Parameter(torch.from_numpy(k)[None, None], requires_grad=False)

    def forward(self, x):
        return F.conv2d(x, self.weight, padding=1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.sobel = Sobel()
        self.conv = nn.Conv2d(1, 8, 3)

    def forward(self, x):
        return self.conv(self.sobel(x))
