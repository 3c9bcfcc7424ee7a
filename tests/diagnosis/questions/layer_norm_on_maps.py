"""A norm over the last axis, and the channels are the second.

set: train
kind: axis
$ cnnstat shapes layer_norm_on_maps.py:Modern --input 2,3,32,32

accepted:
-        return self.wide(self.norm(self.deep(x)))
+        return self.wide(self.norm(self.deep(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
accepted:
-        self.norm = nn.LayerNorm(24)
+        self.norm = nn.GroupNorm(1, 24)
accepted:
-        self.norm = nn.LayerNorm(24)
+        self.norm = nn.LayerNorm([24, 32, 32])
"""
from torch import nn


class Modern(nn.Module):
    def __init__(self):
        super().__init__()
        self.deep = nn.Conv2d(3, 24, 7, padding=3)
        self.norm = nn.LayerNorm(24)
        self.wide = nn.Conv2d(24, 96, 1)

    def forward(self, x):
        return self.wide(self.norm(self.deep(x)))
