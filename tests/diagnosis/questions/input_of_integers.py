"""The features are whole numbers, and the layer takes float32.

set: train
kind: dtype
$ cnnstat shapes input_of_integers.py:Counts

accepted:
-        return self.last(self.first(x).relu())
+        return self.last(self.first(x.float()).relu())
accepted:
$ --input 6,14
"""
import torch
from torch import nn

example_input = torch.zeros(6, 14, dtype=torch.long)


class Counts(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(14, 28)
        self.last = nn.Linear(28, 3)

    def forward(self, x):
        return self.last(self.first(x).relu())
