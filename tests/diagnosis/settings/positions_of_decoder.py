"""The last of 100 positions is not in a table of 99.

question: https://github.com/bentrevett/pytorch-seq2seq/issues/89
fix: def __init__(self, words=50, dim=24, max_length=100):
output: 2×100×50
"""

import torch
from torch import nn

example_input = "2,100:int64"


class Net(nn.Module):
    def __init__(self, words=50, dim=24, max_length=99):
        super().__init__()
        self.tokens = nn.Embedding(words, dim)
        self.positions = nn.Embedding(max_length, dim)
        self.out = nn.Linear(dim, words)

    def forward(self, text):
        batch, length = text.shape
        places = torch.arange(0, length).unsqueeze(0).repeat(batch, 1)
        return self.out(self.tokens(text) + self.positions(places))
