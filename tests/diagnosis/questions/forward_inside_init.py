"""`forward` is indented too far.

set: train
kind: error of Python
$ cnnstat shapes forward_inside_init.py:Inner --input 2,6

accepted:
-        def forward(self, x):
-            return self.last(self.first(x).tanh())
+    def forward(self, x):
+        return self.last(self.first(x).tanh())
"""
from torch import nn


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 12)
        self.last = nn.Linear(12, 3)

        def forward(self, x):
            return self.last(self.first(x).tanh())
