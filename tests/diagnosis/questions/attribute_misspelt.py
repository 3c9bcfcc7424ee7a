"""The layer was assigned under another name.

set: train
kind: error of Python
$ cnnstat shapes attribute_misspelt.py:Mlp --input 3,12

accepted:
-        return self.layer_2(self.layer1(x).relu())
+        return self.layer_2(self.layer_1(x).relu())
"""
from torch import nn


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer_1 = nn.Linear(12, 24)
        self.layer_2 = nn.Linear(24, 3)

    def forward(self, x):
        return self.layer_2(self.layer1(x).relu())
