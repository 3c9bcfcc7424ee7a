"""A bidirectional layer returns the features of both directions.

question: https://github.com/casperboone/dltpy/pull/15
set: validation
kind: name or expression
$ cnnstat shapes two_directions.py:Types --input 4,20,14

accepted:
-        self.last = nn.Linear(units, kinds)
+        self.last = nn.Linear(2 * units, kinds)
"""
import torch
from torch import nn


class Types(nn.Module):
    def __init__(self, size=14, units=32, depth=2, kinds=40):
        super().__init__()
        self.units = units
        self.depth = depth
        self.lstm = nn.LSTM(size, units, depth, batch_first=True, bidirectional=True)
        self.last = nn.Linear(units, kinds)

    def forward(self, x):
        h = torch.zeros(2 * self.depth, x.size(0), self.units)
        c = torch.zeros(2 * self.depth, x.size(0), self.units)
        out, _ = self.lstm(x, (h, c))
        return self.last(out[:, -1, :])
