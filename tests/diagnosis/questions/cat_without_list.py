"""Two tensors in the place of one list of tensors.

set: train
kind: error of Python
$ cnnstat shapes cat_without_list.py:Fuse --input 2,3,24,24

accepted:
-        both = torch.cat(near, far, dim=1)
+        both = torch.cat([near, far], dim=1)
"""
import torch
from torch import nn


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.near = nn.Conv2d(3, 12, 3, padding=1)
        self.far = nn.Conv2d(12, 12, 3, padding=2, dilation=2)
        self.mix = nn.Conv2d(24, 6, 1)

    def forward(self, x):
        near = self.near(x).relu()
        far = self.far(near).relu()
        both = torch.cat(near, far, dim=1)
        return self.mix(both)
