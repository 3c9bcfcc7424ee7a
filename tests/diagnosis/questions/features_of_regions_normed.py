"""The norm takes the second axis for features, and they are the last.

question: https://github.com/ruotianluo/self-critical.pytorch/issues/44
set: validation
kind: axis
$ cnnstat shapes features_of_regions_normed.py:Regions --input 4,36,128

accepted:
-        x = self.norm(x)
+        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
"""
from torch import nn


class Regions(nn.Module):
    def __init__(self, size=128):
        super().__init__()
        self.norm = nn.BatchNorm1d(size)
        self.embed = nn.Linear(size, 64)

    def forward(self, x):
        x = self.norm(x)
        return self.embed(x).relu()
