"""The sides of the maps that attention sees are numbers, for smaller images.

question: https://github.com/dome272/Diffusion-Models-pytorch/issues/3
set: test
kind: fixed batch
$ cnnstat shapes attention_for_other_sides.py:Noise

accepted:
-        self.sa1 = SelfAttention(64, 16)
+        self.sa1 = SelfAttention(64, 32)
accepted:
-        x = x.view(-1, self.channels, self.size * self.size).swapaxes(1, 2)
+        x = x.view(-1, self.channels, x.shape[2] * x.shape[3]).swapaxes(1, 2)
-        return x.swapaxes(2, 1).view(-1, self.channels, self.size, self.size)
+        return x.swapaxes(2, 1).view(-1, self.channels, 32, 32)
"""
import torch
from torch import nn


class SelfAttention(nn.Module):
    def __init__(self, channels, size):
        super().__init__()
        self.channels = channels
        self.size = size
        self.mha = nn.MultiheadAttention(channels, 4, batch_first=True)
        self.ln = nn.LayerNorm([channels])

    def forward(self, x):
        x = x.view(-1, self.channels, self.size * self.size).swapaxes(1, 2)
        normed = self.ln(x)
        value, _ = self.mha(normed, normed, normed)
        x = value + x
        return x.swapaxes(2, 1).view(-1, self.channels, self.size, self.size)


class Down(nn.Module):
    def __init__(self, inputs, outputs, embedding=64):
        super().__init__()
        self.conv = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.embed = nn.Sequential(nn.SiLU(), nn.Linear(embedding, outputs))

    def forward(self, x, t):
        x = self.conv(x)
        emb = self.embed(t)[:, :, None, None].repeat(1, 1, x.shape[-2], x.shape[-1])
        return x + emb


class Noise(nn.Module):
    def __init__(self):
        super().__init__()
        self.inc = nn.Conv2d(3, 32, 3, padding=1)
        self.down1 = Down(32, 64)
        self.sa1 = SelfAttention(64, 16)
        self.down2 = Down(64, 128)

    def forward(self, x, t):
        x = self.sa1(self.down1(self.inc(x), t))
        return self.down2(x, t)


example_input = (torch.randn(3, 3, 64, 64), torch.randn(3, 64))
