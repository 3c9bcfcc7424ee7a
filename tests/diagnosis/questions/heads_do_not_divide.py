"""1024 features among 12 heads.

question: https://github.com/open-mmlab/mmaction2/issues/1271
set: validation
kind: number
$ cnnstat shapes heads_do_not_divide.py:Clips --input 2,8,256

accepted:
-    def __init__(self, dim=256, heads=12):
+    def __init__(self, dim=256, heads=16):
accepted:
-    def __init__(self, dim=256, heads=12):
+    def __init__(self, dim=256, heads=8):
"""
from torch import nn


class Clips(nn.Module):
    def __init__(self, dim=256, heads=12):
        super().__init__()
        self.attend = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.last = nn.Linear(dim, 10)

    def forward(self, x):
        return self.last(self.attend(x, x, x)[0].mean(1))
