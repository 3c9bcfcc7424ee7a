"""An image whose sides are odd at two levels: both concatenations are a row short.

fix: [s2, F.interpolate(x, size=s2.shape[2:])]
and: [s1, F.interpolate(x, size=s1.shape[2:])]
output: 1×1×75×75
"""

import torch
from torch import nn
import torch.nn.functional as F

example_input = '1,3,75,75'


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc1 = nn.Conv2d(3, 16, 3, padding=1)
        self.enc2 = nn.Conv2d(16, 32, 3, padding=1)
        self.enc3 = nn.Conv2d(32, 64, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.up2 = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.dec2 = nn.Conv2d(64, 32, 3, padding=1)
        self.up1 = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.dec1 = nn.Conv2d(32, 16, 3, padding=1)
        self.head = nn.Conv2d(16, 1, 1)

    def forward(self, x):
        s1 = F.relu(self.enc1(x))
        s2 = F.relu(self.enc2(self.pool(s1)))
        x = F.relu(self.enc3(self.pool(s2)))
        x = self.up2(x)
        x = torch.cat([s2, x], dim=1)
        x = F.relu(self.dec2(x))
        x = self.up1(x)
        x = torch.cat([s1, x], dim=1)
        x = F.relu(self.dec1(x))
        return self.head(x)
