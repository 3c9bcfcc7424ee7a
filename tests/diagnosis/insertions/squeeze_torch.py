"""squeeze removes the axis of a batch of one.

fix: x = torch.flatten(self.pool(self.conv(x)), 1)
output: 1×4
"""

import torch
from torch import nn

example_input = "1,3,32,32"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3)
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.bn = nn.BatchNorm1d(16)
        self.fc = nn.Linear(16, 4)

    def forward(self, x):
        x = torch.squeeze(self.pool(self.conv(x)))
        return self.fc(self.bn(x))
