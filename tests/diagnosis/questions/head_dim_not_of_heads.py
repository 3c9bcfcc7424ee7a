"""d_v of a head is not the width divided by the heads.

question: https://github.com/jadore801120/attention-is-all-you-need-pytorch/issues/211
set: validation
kind: number
$ cnnstat shapes head_dim_not_of_heads.py:Layer --input 2,10,64

accepted:
-        self.fc = nn.Linear(heads * 8, dim, bias=False)
+        self.fc = nn.Linear(heads * 16, dim, bias=False)
accepted:
-        self.w_v = nn.Linear(dim, heads * 16, bias=False)
+        self.w_v = nn.Linear(dim, heads * 8, bias=False)
"""
from torch import nn


class Layer(nn.Module):
    def __init__(self, dim=64, heads=4):
        super().__init__()
        self.heads = heads
        self.w_q = nn.Linear(dim, heads * 16, bias=False)
        self.w_k = nn.Linear(dim, heads * 16, bias=False)
        self.w_v = nn.Linear(dim, heads * 16, bias=False)
        self.fc = nn.Linear(heads * 8, dim, bias=False)

    def forward(self, x):
        n, t, _ = x.shape
        q, k, v = (w(x).view(n, t, self.heads, -1).transpose(1, 2)
                   for w in (self.w_q, self.w_k, self.w_v))
        found = (q @ k.transpose(2, 3) / 4).softmax(-1) @ v
        return self.fc(found.transpose(1, 2).reshape(n, t, -1)) + x
