"""Maps of odd sides are halved and doubled in a decoder that joins all levels.

question: https://github.com/talmolab/sleap-nn/pull/525
set: test
kind: axis
$ cnnstat shapes upsampling_onto_odd_sides.py:Keypoints --input 1,3,100,132

accepted:
-            x = block(self.up(x))
+            x = block(F.interpolate(x, size=skip.shape[2:], mode="bilinear"))
accepted:
-            x = torch.cat([skip, x], dim=1)
+            x = torch.cat([skip, F.interpolate(x, size=skip.shape[2:])], dim=1)
accepted:
-            x = torch.cat([skip, x], dim=1)
+            x = F.pad(x, (0, skip.shape[-1] - x.shape[-1], 0, skip.shape[-2] - x.shape[-2]))
+            x = torch.cat([skip, x], dim=1)
accepted:
-            x = block(self.up(x))
+            x = F.interpolate(block(self.up(x)), size=skip.shape[2:], mode="bilinear")
accepted:
-            x = block(self.up(x))
+            x = block(F.interpolate(self.up(x), size=skip.shape[2:], mode="bilinear"))
accepted:
-            x = block(self.up(x))
+            x = block(F.interpolate(self.up(x), size=skip.shape[2:]))
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


class Keypoints(nn.Module):
    def __init__(self, points=5, widths=(16, 24, 32, 48)):
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 3, stride=2, padding=1)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip(widths, widths[1:])
        )
        self.up = nn.Upsample(scale_factor=2, mode="bilinear")
        rising = widths[::-1]
        self.blocks = nn.ModuleList(
            nn.Conv2d(a if i == 0 else 2 * a, b, 3, padding=1)
            for i, (a, b) in enumerate(zip(rising, rising[1:]))
        )
        self.head = nn.Conv2d(2 * widths[0], points, 1)

    def forward(self, x):
        x = F.relu(self.stem(x))
        skips = []
        for layer in self.down:
            skips.append(x)
            x = F.relu(layer(x))
        for block, skip in zip(self.blocks, reversed(skips)):
            x = block(self.up(x))
            x = torch.cat([skip, x], dim=1)
        return self.head(x)
