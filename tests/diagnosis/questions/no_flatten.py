"""A linear layer directly behind a map, and its size is a guess.

set: train
kind: no flatten
$ cnnstat shapes no_flatten.py:Signals --input 16,1,32,32

accepted:
-        self.last = nn.Linear(100, 5)
+        self.last = nn.Linear(24 * 8 * 8, 5)
-        return self.last(x)
+        return self.last(x.flatten(1))
"""
from torch import nn


def stage(given, made):
    return nn.Sequential(nn.Conv2d(given, made, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2))


class Signals(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = stage(1, 12)
        self.second = stage(12, 24)
        self.last = nn.Linear(100, 5)

    def forward(self, x):
        x = self.first(x)
        x = self.second(x)
        return self.last(x)
