"""The sinusoids are computed for at most 40 tokens.

question: https://github.com/SamLynnEvans/Transformer/issues/14
set: validation
kind: table too short
$ cnnstat shapes encoder_for_short_text.py:Encoder

accepted:
-    def __init__(self, dim, max_len=40):
+    def __init__(self, dim, max_len=60):
accepted:
$ --input 3,40:int64
"""
import torch
from torch import nn

example_input = torch.zeros(3, 60, dtype=torch.long)


class Sinusoids(nn.Module):
    def __init__(self, dim, max_len=40):
        super().__init__()
        at = torch.arange(max_len).unsqueeze(1) / 10000 ** (torch.arange(0, dim, 2) / dim)
        self.register_buffer("pe", torch.cat([at.sin(), at.cos()], dim=1).unsqueeze(0))

    def forward(self, x):
        return x + self.pe[:, : x.size(1)]


class Encoder(nn.Module):
    def __init__(self, words=120, dim=32):
        super().__init__()
        self.embed = nn.Embedding(words, dim)
        self.pe = Sinusoids(dim)
        self.layer = nn.TransformerEncoderLayer(dim, 4, 64, batch_first=True)

    def forward(self, tokens):
        return self.layer(self.pe(self.embed(tokens)))
