"""A network for colors, on gray images.

question: https://github.com/avBuffer/UNet3plus_pth/issues/19
set: validation
kind: number
$ cnnstat shapes gray_images.py:Masks --input 2,1,64,64

accepted:
-    def __init__(self, channels=3, classes=2):
+    def __init__(self, channels=1, classes=2):
accepted:
-        self.first = nn.Conv2d(channels, 24, 3, padding=1)
+        self.first = nn.Conv2d(1, 24, 3, padding=1)
accepted:
$ --input 2,3,64,64
"""
from torch import nn


class Masks(nn.Module):
    def __init__(self, channels=3, classes=2):
        super().__init__()
        self.first = nn.Conv2d(channels, 24, 3, padding=1)
        self.second = nn.Conv2d(24, 24, 3, padding=1)
        self.last = nn.Conv2d(24, classes, 1)

    def forward(self, x):
        return self.last(self.second(self.first(x).relu()).relu())
