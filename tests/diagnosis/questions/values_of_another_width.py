"""The values have fewer features than the queries.

question: https://github.com/pytorch/pytorch/issues/27623
set: validation
kind: keyword not written
$ cnnstat shapes values_of_another_width.py:Summary

accepted:
-        self.attend = nn.MultiheadAttention(24, 2, batch_first=True)
+        self.attend = nn.MultiheadAttention(24, 2, batch_first=True, vdim=12)
"""
from torch import nn

example_input = ((5, 10, 24), (5, 10, 12))


class Summary(nn.Module):
    def __init__(self):
        super().__init__()
        self.attend = nn.MultiheadAttention(24, 2, batch_first=True)
        self.norm = nn.LayerNorm(24)

    def forward(self, x, values):
        found, _ = self.attend(x, x, values)
        return self.norm(x + found)
