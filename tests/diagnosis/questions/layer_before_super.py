"""A layer is assigned before the module is set up.

question: https://github.com/pyg-team/pytorch_geometric/issues/681
set: validation
kind: error of Python
$ cnnstat shapes layer_before_super.py:Adversarial --input 4,16

accepted:
-        self.judge = nn.Linear(width, 1)
-        super().__init__()
+        super().__init__()
+        self.judge = nn.Linear(width, 1)
"""
from torch import nn


class Adversarial(nn.Module):
    def __init__(self, width=8):
        self.judge = nn.Linear(width, 1)
        super().__init__()
        self.encoder = nn.Linear(16, width)

    def forward(self, x):
        return self.judge(self.encoder(x).relu())
