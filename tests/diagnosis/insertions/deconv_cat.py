"""An odd side is rounded up, then doubled.

fix: [x, F.interpolate(y, size=x.shape[2:])]
output: 1×3×33×33
"""

import torch
import torch.nn.functional as F
from torch import nn

example_input = '1,3,33,33'


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.up = nn.Upsample(scale_factor=2)
        self.out = nn.Conv2d(19, 3, 1)

    def forward(self, x):
        y = self.up(self.down(x))
        return self.out(torch.cat([x, y], 1))
