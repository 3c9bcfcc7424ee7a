"""The projection and its dropout are in a list.

question: https://github.com/cloneofsimo/paint-with-words-sd/issues/2
set: validation
kind: error of Python
$ cnnstat shapes output_list_called.py:Attention --input 2,9,32

accepted:
-        self.to_out = nn.ModuleList([nn.Linear(dim, dim), nn.Dropout(0.1)])
+        self.to_out = nn.Sequential(nn.Linear(dim, dim), nn.Dropout(0.1))
"""
from torch import nn


class Attention(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(dim, dim, bias=False)
        self.to_v = nn.Linear(dim, dim, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim), nn.Dropout(0.1)])

    def forward(self, x):
        q, k, v = self.to_q(x), self.to_k(x), self.to_v(x)
        found = (q @ k.transpose(1, 2) * x.size(-1) ** -0.5).softmax(-1) @ v
        return self.to_out(found)
