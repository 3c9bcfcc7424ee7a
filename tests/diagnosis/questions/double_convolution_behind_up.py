"""The convolutions behind the transposed one take its input's channels, not its output's.

set: train
kind: name or expression
$ cnnstat shapes double_convolution_behind_up.py:Segment --input 1,3,48,48

accepted:
-        return nn.Sequential(nn.ConvTranspose2d(many, few, 2, stride=2), self.twice(many, few))
+        return nn.Sequential(nn.ConvTranspose2d(many, few, 2, stride=2), self.twice(few, few))
"""
import torch
from torch import nn


class Segment(nn.Module):
    def __init__(self):
        super().__init__()
        self.left1 = self.twice(3, 16)
        self.left2 = self.twice(16, 32)
        self.middle = self.twice(32, 64)
        self.pool = nn.MaxPool2d(2)
        self.right2 = self.up(64, 32)
        self.right1 = self.up(64, 16)
        self.last = nn.Conv2d(32, 2, 1)

    def twice(self, given, made):
        first = nn.Conv2d(given, made, 3, padding=1)
        second = nn.Conv2d(made, made, 3, padding=1)
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())

    def up(self, many, few):
        return nn.Sequential(nn.ConvTranspose2d(many, few, 2, stride=2), self.twice(many, few))

    def forward(self, x):
        one = self.left1(x)
        two = self.left2(self.pool(one))
        x = self.middle(self.pool(two))
        x = torch.cat([self.right2(x), two], dim=1)
        x = torch.cat([self.right1(x), one], dim=1)
        return self.last(x)
