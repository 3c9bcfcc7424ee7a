"""The table of positions is cut to the batch instead of the sequence.

question: https://github.com/KasperGroesLudvigsen/influenza_transformer/issues/9
set: validation
kind: axis
$ cnnstat shapes positions_by_the_batch.py:Flu --input 6,20,1

accepted:
-        return x + self.table[:, : x.size(0)]
+        return x + self.table[:, : x.size(1)]
"""
import math

import torch
from torch import nn


class Positions(nn.Module):
    def __init__(self, dim, longest=200):
        super().__init__()
        place = torch.arange(longest).unsqueeze(1)
        scale = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
        table = torch.zeros(1, longest, dim)
        table[0, :, 0::2] = torch.sin(place * scale)
        table[0, :, 1::2] = torch.cos(place * scale)
        self.register_buffer("table", table)

    def forward(self, x):
        return x + self.table[:, : x.size(0)]


class Flu(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.enter = nn.Linear(1, dim)
        self.positions = Positions(dim)
        layer = nn.TransformerEncoderLayer(dim, 4, 64, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.last = nn.Linear(dim, 1)

    def forward(self, x):
        x = self.positions(self.enter(x))
        return self.last(self.encoder(x))
