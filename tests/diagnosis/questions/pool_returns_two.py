"""A module of one's own returns two values, and only one is wanted.

question: https://github.com/raoyongming/CAL/issues/15
set: validation
kind: tuple
$ cnnstat shapes pool_returns_two.py:Birds --input 2,3,64,64

accepted:
-        matrix = self.pool(maps, self.attend(maps))
+        matrix, _ = self.pool(maps, self.attend(maps))
"""
import torch
from torch import nn


class AttentionPool(nn.Module):
    def forward(self, maps, attention):
        weights = attention.flatten(2).softmax(-1)
        vectors = torch.einsum("nap,ncp->nac", weights, maps.flatten(2))
        return vectors.flatten(1), weights


class Birds(nn.Module):
    def __init__(self, kinds=20, parts=4):
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 7, 4, 3)
        self.attend = nn.Conv2d(32, parts, 1)
        self.pool = AttentionPool()
        self.fc = nn.Linear(32 * parts, kinds)

    def forward(self, x):
        maps = self.conv(x).relu()
        matrix = self.pool(maps, self.attend(maps))
        return self.fc(matrix)
