"""The width of the bottleneck is computed after the width was changed.

question: https://github.com/jaxony/ShuffleNet/issues/5
set: validation
kind: order of statements
$ cnnstat shapes width_before_it_is_reduced.py:ShuffleNet --input 1,3,224,224

accepted:
-        if combine == "concat":
-            stride = 2
-            out_channels -= in_channels
-        else:
-            stride = 1
-        bottleneck_channels = out_channels // 4
+        bottleneck_channels = out_channels // 4
+        if combine == "concat":
+            stride = 2
+            out_channels -= in_channels
+        else:
+            stride = 1
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


class ShuffleUnit(nn.Module):
    def __init__(self, in_channels, out_channels, groups=3, grouped_conv=True, combine="add"):
        super().__init__()
        self.groups = groups
        self.combine = combine
        if combine == "concat":
            stride = 2
            out_channels -= in_channels
        else:
            stride = 1
        bottleneck_channels = out_channels // 4
        first_groups = groups if grouped_conv else 1
        self.compress = nn.Conv2d(in_channels, bottleneck_channels, 1, groups=first_groups)
        self.bn1 = nn.BatchNorm2d(bottleneck_channels)
        self.depthwise = nn.Conv2d(
            bottleneck_channels, bottleneck_channels, 3, stride, 1, groups=bottleneck_channels
        )
        self.bn2 = nn.BatchNorm2d(bottleneck_channels)
        self.expand = nn.Conv2d(bottleneck_channels, out_channels, 1, groups=groups)
        self.bn3 = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        y = F.relu(self.bn1(self.compress(x)))
        b, c, h, w = y.shape
        y = y.view(b, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(b, c, h, w)
        y = self.bn3(self.expand(self.bn2(self.depthwise(y))))
        if self.combine == "concat":
            return F.relu(torch.cat((F.avg_pool2d(x, 3, 2, 1), y), 1))
        return F.relu(x + y)


class ShuffleNet(nn.Module):
    def __init__(self, groups=8, channels=(24, 384, 768), classes=1000):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels[0], 3, 2, 1), nn.MaxPool2d(3, 2, 1))
        self.stage2 = nn.Sequential(
            ShuffleUnit(channels[0], channels[1], groups, False, "concat"),
            ShuffleUnit(channels[1], channels[1], groups),
        )
        self.stage3 = nn.Sequential(
            ShuffleUnit(channels[1], channels[2], groups, True, "concat"),
            ShuffleUnit(channels[2], channels[2], groups),
        )
        self.fc = nn.Linear(channels[2], classes)

    def forward(self, x):
        x = self.stage3(self.stage2(self.stem(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))
