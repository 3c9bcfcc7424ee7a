"""Halving an odd side and doubling it again gives one less.

question: https://github.com/qubvel-org/segmentation_models.pytorch/issues/93
set: validation
kind: shortcut
$ cnnstat shapes unet_on_odd_sides.py:Cells --input 1,3,70,70

accepted:
-        x = torch.cat([self.up(self.middle(self.pool(second))), second], dim=1)
+        x = self.up(self.middle(self.pool(second)))
+        x = torch.cat([F.interpolate(x, size=second.shape[2:]), second], dim=1)
accepted:
-        x = torch.cat([self.up(self.middle(self.pool(second))), second], dim=1)
+        x = self.up(self.middle(self.pool(second)))
+        x = torch.cat([F.pad(x, (0, 1, 0, 1)), second], dim=1)
accepted:
-        x = torch.cat([self.up(self.middle(self.pool(second))), second], dim=1)
+        x = self.up(self.middle(self.pool(second)))
+        x = F.interpolate(x, size=second.shape[2:], mode="bilinear", align_corners=False)
+        x = torch.cat([x, second], dim=1)
accepted:
$ --input 1,3,72,72
accepted:
$ --input 1,3,68,68
"""
import torch
import torch.nn.functional as F
from torch import nn


def both(given, made):
    return nn.Sequential(nn.Conv2d(given, made, 3, padding=1), nn.ReLU(),
                         nn.Conv2d(made, made, 3, padding=1), nn.ReLU())


class Cells(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.first = both(3, 16)
        self.second = both(16, 32)
        self.middle = both(32, 64)
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.last = nn.Conv2d(64, classes, 1)

    def forward(self, x):
        second = self.second(self.pool(self.first(x)))
        x = torch.cat([self.up(self.middle(self.pool(second))), second], dim=1)
        return F.relu(self.last(x))
