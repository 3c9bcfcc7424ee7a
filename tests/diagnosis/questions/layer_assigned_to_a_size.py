"""A layer is assigned to a size of the layer that it should replace.

question: https://github.com/yassouali/pytorch-segmentation/issues/20
set: validation
kind: error of Python
$ cnnstat shapes layer_assigned_to_a_size.py:ScanSegmenter --input 1,1,128,128

accepted:
-            encoder[0].in_channels = nn.Conv2d(in_channels, 64, kernel_size=3, padding=1)
+            encoder[0] = nn.Conv2d(in_channels, 64, kernel_size=3, padding=1)
"""
import torch.nn as nn


def backbone():
    layers = []
    before = 3
    for width in (64, 128, 256):
        layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
        before = width
    return nn.Sequential(*layers)


class ScanSegmenter(nn.Module):
    def __init__(self, classes=2, in_channels=1):
        super().__init__()
        encoder = list(backbone().children())
        if in_channels != 3:
            encoder[0].in_channels = nn.Conv2d(in_channels, 64, kernel_size=3, padding=1)
        self.stage1 = nn.Sequential(*encoder[:4])
        self.stage2 = nn.Sequential(*encoder[4:8])
        self.stage3 = nn.Sequential(*encoder[8:])
        self.up3 = nn.ConvTranspose2d(256, 128, 2, stride=2)
        self.up2 = nn.ConvTranspose2d(128, 64, 2, stride=2)
        self.up1 = nn.ConvTranspose2d(64, classes, 2, stride=2)

    def forward(self, x):
        x = self.stage3(self.stage2(self.stage1(x)))
        return self.up1(self.up2(self.up3(x)))
