"""Clips have their frames before their channels.

fix: --input 2,3,8,12,12
output: 2×10
"""

from torch import nn

example_input = "2,8,3,12,12"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 16, 3, padding=1)
        self.fc = nn.Linear(16, 10)

    def forward(self, clip):
        return self.fc(self.conv(clip).relu().mean((2, 3, 4)))
