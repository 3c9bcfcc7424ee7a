"""A list of layers is called as if it were one.

set: train
kind: error of Python
$ cnnstat shapes module_list_called.py:Chain --input 3,14

accepted:
-        self.steps = nn.ModuleList([nn.Linear(14, 28), nn.Tanh(), nn.Linear(28, 4)])
+        self.steps = nn.Sequential(*[nn.Linear(14, 28), nn.Tanh(), nn.Linear(28, 4)])
"""
from torch import nn


class Chain(nn.Module):
    def __init__(self):
        super().__init__()
        self.steps = nn.ModuleList([nn.Linear(14, 28), nn.Tanh(), nn.Linear(28, 4)])

    def forward(self, x):
        return self.steps(x)
