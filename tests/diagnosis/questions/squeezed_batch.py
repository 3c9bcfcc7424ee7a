"""squeeze() removes the batch as well when it is one.

set: train
kind: axis
$ cnnstat shapes squeezed_batch.py:Persons --input 1,3,64,32

accepted:
-        vector = self.pooled(x).squeeze()
+        vector = self.pooled(x).flatten(1)
"""
from torch import nn


class Persons(nn.Module):
    def __init__(self, people=100):
        super().__init__()
        self.pooled = nn.Sequential(
            nn.Conv2d(3, 48, 5, 4, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
        self.norm = nn.BatchNorm1d(48)
        self.who = nn.Linear(48, people)

    def forward(self, x):
        vector = self.pooled(x).squeeze()
        return self.who(self.norm(vector))
