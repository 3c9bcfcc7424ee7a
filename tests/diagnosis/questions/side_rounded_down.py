"""Padded convolutions of stride 2 round up, the division rounds down.

question: https://github.com/eriklindernoren/PyTorch-GAN/issues/164
set: validation
kind: name or expression
$ cnnstat shapes side_rounded_down.py:Judge --input 2,3,40,40

accepted:
-        side = img_size // 2**4
+        side = -(-img_size // 2**4)
accepted:
-        self.adv = nn.Sequential(nn.Linear(64 * side**2, 1), nn.Sigmoid())
+        self.adv = nn.Sequential(nn.Linear(64 * 9, 1), nn.Sigmoid())
"""
from torch import nn


def half(given, made):
    return nn.Sequential(nn.Conv2d(given, made, 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout2d(0.25))


class Judge(nn.Module):
    def __init__(self, img_size=40):
        super().__init__()
        self.model = nn.Sequential(half(3, 16), half(16, 32), half(32, 64), half(64, 64))
        side = img_size // 2**4
        self.adv = nn.Sequential(nn.Linear(64 * side**2, 1), nn.Sigmoid())

    def forward(self, img):
        out = self.model(img)
        out = out.view(out.shape[0], -1)
        return self.adv(out)
