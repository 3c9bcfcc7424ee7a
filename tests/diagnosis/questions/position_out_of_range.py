"""More tokens than positions.

set: train
kind: table too short
$ cnnstat shapes position_out_of_range.py:Tiny

accepted:
-    def __init__(self, words=80, dim=36, longest=24):
+    def __init__(self, words=80, dim=36, longest=48):
accepted:
$ --input 1,24:int64
"""
import torch
from torch import nn

example_input = torch.zeros(1, 48, dtype=torch.long)


class Tiny(nn.Module):
    def __init__(self, words=80, dim=36, longest=24):
        super().__init__()
        self.words = nn.Embedding(words, dim)
        self.places = nn.Embedding(longest, dim)
        self.head = nn.Linear(dim, words)

    def forward(self, tokens):
        at = torch.arange(tokens.size(1), device=tokens.device)
        return self.head(self.words(tokens) + self.places(at))
