"""A typing mistake in the name of `forward`.

question: https://github.com/WHLYA/text-classification/issues/1
set: validation
kind: error of Python
$ cnnstat shapes forward_misspelt.py:Sentences --input 3,20

accepted:
-    def foward(self, x):
+    def forward(self, x):
"""
from torch import nn


class Sentences(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(20, 40)
        self.last = nn.Linear(40, 2)

    def foward(self, x):
        return self.last(self.first(x).relu())
