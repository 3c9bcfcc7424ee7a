"""The table of positions is for sequences first, the batch is first.

question: https://github.com/KasperGroesLudvigsen/influenza_transformer/issues/9
set: validation
kind: axis
$ cnnstat shapes positions_of_sequences_first.py:Influenza --input 16,30,3

accepted:
-        x = x + self.pe[: x.size(1)]
+        x = x + self.pe[: x.size(1)].transpose(0, 1)
accepted:
-        self.register_buffer("pe", pe.unsqueeze(1))
+        self.register_buffer("pe", pe.unsqueeze(0))
-        x = x + self.pe[: x.size(1)]
+        x = x + self.pe[:, : x.size(1)]
"""
import math

import torch
from torch import nn


class PositionalEncoder(nn.Module):
    def __init__(self, longest=500, d_model=32):
        super().__init__()
        position = torch.arange(longest).unsqueeze(1)
        rate = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(longest, d_model)
        pe[:, 0::2] = torch.sin(position * rate)
        pe[:, 1::2] = torch.cos(position * rate)
        self.register_buffer("pe", pe.unsqueeze(1))

    def forward(self, x):
        x = x + self.pe[: x.size(1)]
        return x


class Influenza(nn.Module):
    def __init__(self, variables=3, d_model=32, heads=4):
        super().__init__()
        self.input = nn.Linear(variables, d_model)
        self.positions = PositionalEncoder(d_model=d_model)
        layer = nn.TransformerEncoderLayer(d_model, heads, 64, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.output = nn.Linear(d_model, 1)

    def forward(self, x):
        return self.output(self.encoder(self.positions(self.input(x))))
