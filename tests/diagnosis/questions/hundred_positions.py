"""Learned positions for 100 tokens.

question: https://github.com/bentrevett/pytorch-seq2seq/issues/89
set: validation
kind: table too short
$ cnnstat shapes hundred_positions.py:Source

accepted:
-    def __init__(self, words=250, dim=32, max_length=100):
+    def __init__(self, words=250, dim=32, max_length=128):
accepted:
$ --input 3,100:int64
"""
import torch
from torch import nn

example_input = torch.zeros(3, 128, dtype=torch.long)


class Source(nn.Module):
    def __init__(self, words=250, dim=32, max_length=100):
        super().__init__()
        self.tok_embedding = nn.Embedding(words, dim)
        self.pos_embedding = nn.Embedding(max_length, dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, src):
        batch, length = src.shape
        pos = torch.arange(0, length).unsqueeze(0).repeat(batch, 1)
        return self.out(self.tok_embedding(src) * 5.6 + self.pos_embedding(pos))
