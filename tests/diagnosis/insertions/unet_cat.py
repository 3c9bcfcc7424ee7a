"""A side of 25 pixels is 24 after pooling and upsampling.

fix: [F.interpolate(x, size=s2.shape[2:]), s2]
output: 1×1×50×50
"""

import torch
import torch.nn.functional as F
from torch import nn

example_input = "1,3,50,50"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.d1 = nn.Conv2d(3, 16, 3, padding=1)
        self.d2 = nn.Conv2d(16, 32, 3, padding=1)
        self.d3 = nn.Conv2d(32, 64, 3, padding=1)
        self.u2 = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.c2 = nn.Conv2d(64, 32, 3, padding=1)
        self.u1 = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.c1 = nn.Conv2d(32, 16, 3, padding=1)
        self.head = nn.Conv2d(16, 1, 1)

    def forward(self, x):
        s1 = F.relu(self.d1(x))
        s2 = F.relu(self.d2(F.max_pool2d(s1, 2)))
        b = F.relu(self.d3(F.max_pool2d(s2, 2)))
        x = self.u2(b)
        x = torch.cat([x, s2], dim=1)
        x = F.relu(self.c2(x))
        x = self.u1(x)
        x = torch.cat([x, s1], dim=1)
        return self.head(F.relu(self.c1(x)))
