"""A discriminator for 64 pixels, on images of 32.

question: https://github.com/pytorch/examples/issues/486
set: validation
kind: window
$ cnnstat shapes discriminator_for_64.py:Critic --input 8,3,32,32

accepted:
-            nn.Conv2d(8 * width, 1, 4, 1, 0, bias=False),
+            nn.Conv2d(8 * width, 1, 2, 1, 0, bias=False),
accepted:
-            nn.Conv2d(8 * width, 1, 4, 1, 0, bias=False),
+            nn.Conv2d(8 * width, 1, 2, 2, 0, bias=False),
accepted:
$ --input 8,3,64,64
"""
from torch import nn


class Critic(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(4 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 8 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(8 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(8 * width, 1, 4, 1, 0, bias=False),
        )

    def forward(self, x):
        return self.main(x).view(-1)
