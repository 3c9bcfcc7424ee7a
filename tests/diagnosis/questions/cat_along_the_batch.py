"""Three views of each example are joined along the batch.

set: train
kind: silent
$ cnnstat shapes cat_along_the_batch.py:Views

accepted:
-        return self.score(torch.cat(found, dim=0))
+        return self.score(torch.cat(found, dim=1))
-        self.score = nn.Sequential(nn.Tanh(), nn.Linear(20, 4))
+        self.score = nn.Sequential(nn.Tanh(), nn.Linear(60, 4))
"""
import torch
from torch import nn

example_input = ((8, 9), (8, 9), (8, 9))


class Views(nn.Module):
    def __init__(self):
        super().__init__()
        self.readers = nn.ModuleList(nn.Linear(9, 20) for _ in range(3))
        self.score = nn.Sequential(nn.Tanh(), nn.Linear(20, 4))

    def forward(self, left, middle, right):
        found = [read(x) for read, x in zip(self.readers, (left, middle, right))]
        return self.score(torch.cat(found, dim=0))
