"""A plain list does not register its layers.

set: train
kind: silent
$ cnnstat shapes layers_in_a_list.py:Stack --input 5,10

accepted:
-        self.inner = [nn.Linear(24, 24) for _ in range(depth)]
+        self.inner = nn.ModuleList([nn.Linear(24, 24) for _ in range(depth)])
"""
from torch import nn


class Stack(nn.Module):
    def __init__(self, depth=4):
        super().__init__()
        self.first = nn.Linear(10, 24)
        self.inner = [nn.Linear(24, 24) for _ in range(depth)]
        self.last = nn.Linear(24, 3)

    def forward(self, x):
        x = self.first(x).tanh()
        for linear in self.inner:
            x = linear(x).tanh()
        return self.last(x)
