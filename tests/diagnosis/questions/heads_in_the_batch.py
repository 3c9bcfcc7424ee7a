"""The batch that is read back still contains the heads.

question: https://github.com/huggingface/diffusers/issues/3207
set: test
kind: name or expression
$ cnnstat shapes heads_in_the_batch.py:Block --input 2,64,48

accepted:
-        batch_size, seq_len, dim = tensor.shape
-        tensor = tensor.reshape(batch_size // heads, heads, seq_len, dim)
-        return tensor.permute(0, 2, 1, 3).reshape(batch_size, seq_len, dim * heads)
+        batch_size, seq_len, dim = tensor.shape
+        tensor = tensor.reshape(batch_size // heads, heads, seq_len, dim)
+        return tensor.permute(0, 2, 1, 3).reshape(batch_size // heads, seq_len, dim * heads)
"""
import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(channels, channels)
        self.k = nn.Linear(channels, channels)
        self.v = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)

    def heads_to_batch(self, tensor):
        heads = self.heads
        batch_size, seq_len, dim = tensor.shape
        tensor = tensor.reshape(batch_size, seq_len, heads, dim // heads)
        return tensor.permute(0, 2, 1, 3).reshape(batch_size * heads, seq_len, dim // heads)

    def batch_to_heads(self, tensor):
        heads = self.heads
        batch_size, seq_len, dim = tensor.shape
        tensor = tensor.reshape(batch_size // heads, heads, seq_len, dim)
        return tensor.permute(0, 2, 1, 3).reshape(batch_size, seq_len, dim * heads)

    def forward(self, x):
        q, k, v = (self.heads_to_batch(layer(x)) for layer in (self.q, self.k, self.v))
        scores = torch.bmm(q, k.transpose(1, 2)) * q.shape[-1] ** -0.5
        return self.out(self.batch_to_heads(torch.bmm(scores.softmax(-1), v)))


class Block(nn.Module):
    def __init__(self, channels=48, heads=4):
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.attention = Attention(channels, heads)

    def forward(self, x):
        return x + self.attention(self.norm(x))
