"""The upper maps of a pyramid are doubled, the lower ones are odd.

question: https://github.com/open-mmlab/mmdetection/pull/2157
set: validation
kind: axis
$ cnnstat shapes pyramid_of_odd_maps.py:PyramidNeck --input 1,3,512,680

accepted:
-                laterals[i], scale_factor=2, mode="nearest"
+                laterals[i], size=laterals[i - 1].shape[2:], mode="nearest"
"""
import torch.nn as nn
import torch.nn.functional as F


class PyramidNeck(nn.Module):
    def __init__(self, widths=(32, 64, 128, 256), out_channels=64):
        super().__init__()
        stages = []
        before = 3
        for width in widths:
            stages.append(
                nn.Sequential(
                    nn.Conv2d(before, width, 3, stride=2, padding=1),
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                )
            )
            before = width
        self.stages = nn.ModuleList(stages)
        self.lateral = nn.ModuleList([nn.Conv2d(w, out_channels, 1) for w in widths])
        self.smooth = nn.ModuleList([nn.Conv2d(out_channels, out_channels, 3, padding=1) for _ in widths])

    def forward(self, x):
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        laterals = [conv(m) for conv, m in zip(self.lateral, maps)]
        for i in range(len(laterals) - 1, 0, -1):
            laterals[i - 1] = laterals[i - 1] + F.interpolate(
                laterals[i], scale_factor=2, mode="nearest"
            )
        return [conv(m) for conv, m in zip(self.smooth, laterals)]
