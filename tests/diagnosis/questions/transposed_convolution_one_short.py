"""Strided convolutions are undone one pixel short.

set: train
kind: keyword not written
$ cnnstat shapes transposed_convolution_one_short.py:Residue --input 1,3,48,48

accepted:
-        self.up2 = nn.ConvTranspose2d(48, 24, 3, stride=2, padding=1)
-        self.up1 = nn.ConvTranspose2d(24, 3, 3, stride=2, padding=1)
+        self.up2 = nn.ConvTranspose2d(48, 24, 3, stride=2, padding=1, output_padding=1)
+        self.up1 = nn.ConvTranspose2d(24, 3, 3, stride=2, padding=1, output_padding=1)
"""
from torch import nn


class Residue(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1 = nn.Conv2d(3, 24, 3, stride=2, padding=1)
        self.down2 = nn.Conv2d(24, 48, 3, stride=2, padding=1)
        self.up2 = nn.ConvTranspose2d(48, 24, 3, stride=2, padding=1)
        self.up1 = nn.ConvTranspose2d(24, 3, 3, stride=2, padding=1)

    def forward(self, image):
        code = self.down2(self.down1(image).relu()).relu()
        rain = self.up1(self.up2(code).relu())
        return image - rain
