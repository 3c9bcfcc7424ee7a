"""The factor of a PixelShuffle is a number, that of its convolution an argument.

question: https://github.com/Lornatang/SRGAN-PyTorch/issues/83
set: validation
kind: name or expression
$ cnnstat shapes factor_of_a_pixel_shuffle.py:SuperResolution --input 1,3,32,32

accepted:
-            nn.PixelShuffle(2),
+            nn.PixelShuffle(upscale_factor),
accepted:
-            nn.PixelShuffle(2),
+            nn.PixelShuffle(3),
"""
import torch
import torch.nn as nn


class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.PReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x):
        return x + self.body(x)


class UpsampleBlock(nn.Module):
    def __init__(self, channels, upscale_factor):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels * upscale_factor * upscale_factor, 3, padding=1),
            nn.PixelShuffle(2),
            nn.PReLU(),
        )

    def forward(self, x):
        return self.body(x)


class SuperResolution(nn.Module):
    def __init__(self, upscale=3, channels=64, blocks=4):
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(3, channels, 9, padding=4), nn.PReLU())
        self.trunk = nn.Sequential(*[ResidualBlock(channels) for _ in range(blocks)])
        if upscale in (2, 4, 8):
            steps = [UpsampleBlock(channels, 2) for _ in range(upscale.bit_length() - 1)]
        else:
            steps = [UpsampleBlock(channels, upscale)]
        self.upsampling = nn.Sequential(*steps)
        self.tail = nn.Conv2d(channels, 3, 9, padding=4)

    def forward(self, x):
        x = self.head(x)
        x = x + self.trunk(x)
        return torch.clamp(self.tail(self.upsampling(x)), 0.0, 1.0)
