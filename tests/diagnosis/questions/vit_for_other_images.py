"""The table of positions is for larger images.

set: train
kind: table too short
$ cnnstat shapes vit_for_other_images.py:Patches --input 2,3,48,48

accepted:
-    def __init__(self, image_size=192, patch=16, dim=32, depth=2, heads=4, classes=10):
+    def __init__(self, image_size=48, patch=16, dim=32, depth=2, heads=4, classes=10):
accepted:
$ --input 2,3,192,192
"""
import torch
from torch import nn


class Patches(nn.Module):
    def __init__(self, image_size=192, patch=16, dim=32, depth=2, heads=4, classes=10):
        super().__init__()
        patches = (image_size // patch) ** 2
        self.cut = nn.Conv2d(3, dim, patch, stride=patch)
        self.token = nn.Parameter(torch.zeros(1, 1, dim))
        self.positions = nn.Parameter(torch.zeros(1, patches + 1, dim))
        layer = nn.TransformerEncoderLayer(dim, heads, dim * 4, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, depth)
        self.head = nn.Linear(dim, classes)

    def forward(self, images):
        x = self.cut(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(images), -1, -1), x], dim=1)
        x = x + self.positions
        return self.head(self.layers(x)[:, 0])
