"""The linear layer runs over the columns of the map, and nothing fails.

set: train
kind: silent
$ cnnstat shapes linear_over_the_width.py:Digits --input 3,1,24,24

accepted:
-        self.head = nn.Linear(24, 10)
+        self.head = nn.Linear(12 * 24 * 24, 10)
-        return self.head(self.conv(x).relu())
+        return self.head(self.conv(x).relu().flatten(1))
"""
from torch import nn


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 12, 3, padding=1)
        self.head = nn.Linear(24, 10)

    def forward(self, x):
        return self.head(self.conv(x).relu())
