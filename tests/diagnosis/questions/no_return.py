"""The block computes its output and does not return it.

set: train
kind: error of Python
$ cnnstat shapes no_return.py:Edges --input 1,3,24,24

accepted:
-        x = self.bn(self.conv(x))
+        x = self.bn(self.conv(x))
+        return x
"""
import torch.nn.functional as F
from torch import nn


class Step(nn.Module):
    def __init__(self, given, made):
        super().__init__()
        self.conv = nn.Conv2d(given, made, 3, padding=1)
        self.bn = nn.BatchNorm2d(made)

    def forward(self, x):
        x = self.bn(self.conv(x))


class Edges(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = Step(3, 12)
        self.two = Step(12, 12)
        self.last = nn.Conv2d(12, 2, 1)

    def forward(self, x):
        x = F.elu(self.one(x))
        x = F.elu(self.two(x))
        return self.last(x)
