"""The state has a row for each layer, even if there is one.

question: https://github.com/pytorch/pytorch/pull/3925
set: validation
kind: axis
$ cnnstat shapes state_without_layer_axis.py:Decoder

accepted:
-        states, _ = self.gru(x, h)
+        states, _ = self.gru(x, h.unsqueeze(0))
accepted:
-        h = torch.zeros(x.size(0), self.units)
+        h = torch.zeros(1, x.size(0), self.units)
"""
import torch
from torch import nn

example_input = torch.zeros(8, 11, dtype=torch.long)


class Decoder(nn.Module):
    def __init__(self, words=90, dim=20, units=28):
        super().__init__()
        self.units = units
        self.embed = nn.Embedding(words, dim)
        self.gru = nn.GRU(dim, units, batch_first=True)
        self.out = nn.Linear(units, words)

    def forward(self, tokens):
        x = self.embed(tokens)
        h = torch.zeros(x.size(0), self.units)
        states, _ = self.gru(x, h)
        return self.out(states)
