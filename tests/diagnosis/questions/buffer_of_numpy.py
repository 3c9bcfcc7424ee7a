"""numpy computes in float64, and so does the buffer.

set: train
kind: dtype
$ cnnstat shapes buffer_of_numpy.py:Weighted --input 5,8

accepted:
-        self.register_buffer("weights", torch.from_numpy(np.hanning(8)))
+        self.register_buffer("weights", torch.from_numpy(np.hanning(8)).float())
accepted:
-        return self.last(self.first(x * self.weights).relu())
+        return self.last(self.first((x * self.weights).float()).relu())
"""
import numpy as np
import torch
from torch import nn


class Weighted(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("weights", torch.from_numpy(np.hanning(8)))
        self.first = nn.Linear(8, 16)
        self.last = nn.Linear(16, 2)

    def forward(self, x):
        return self.last(self.first(x * self.weights).relu())
