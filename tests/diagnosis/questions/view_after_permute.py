"""The heads are put last again, so the memory is in another order.

set: train
kind: memory layout
$ cnnstat shapes view_after_permute.py:Heads --input 3,9,48

accepted:
-        out = (weights @ v).permute(0, 2, 1, 3).view(n, t, d)
+        out = (weights @ v).permute(0, 2, 1, 3).reshape(n, t, d)
"""
import torch
from torch import nn


class Heads(nn.Module):
    def __init__(self, dim=48, count=6):
        super().__init__()
        self.count = count
        self.three = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        n, t, d = x.shape
        size = d // self.count
        q, k, v = self.three(x).view(n, t, 3, self.count, size).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) / size**0.5).softmax(-1)
        out = (weights @ v).permute(0, 2, 1, 3).view(n, t, d)
        return self.out(out)
