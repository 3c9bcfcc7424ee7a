"""Layers are assigned before the module is set up.

set: train
kind: error of Python
$ cnnstat shapes no_super.py:Single --input 2,6

accepted:
-    def __init__(self):
+    def __init__(self):
+        super().__init__()
"""
from torch import nn


class Single(nn.Module):
    def __init__(self):
        self.only = nn.Linear(6, 3)

    def forward(self, x):
        return self.only(x)
