"""A division makes the stride a float.

set: train
kind: error of Python
$ cnnstat shapes stride_is_a_float.py:Scaling --input 1,8,24,24

accepted:
-        self.down = nn.Conv2d(8, wide, 3, stride=wide / 8, padding=1)
+        self.down = nn.Conv2d(8, wide, 3, stride=wide // 8, padding=1)
"""
from torch import nn


class Scaling(nn.Module):
    def __init__(self, wide=16):
        super().__init__()
        self.down = nn.Conv2d(8, wide, 3, stride=wide / 8, padding=1)
        self.last = nn.Conv2d(wide, 3, 1)

    def forward(self, x):
        return self.last(self.down(x))
