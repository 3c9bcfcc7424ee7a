"""The branch halves the map and doubles the channels, the shortcut does not.

set: train
kind: shortcut
$ cnnstat shapes shortcut_without_projection.py:Down --input 2,32,28,28

accepted:
-        self.norm2 = nn.BatchNorm2d(made)
+        self.norm2 = nn.BatchNorm2d(made)
+        self.shortcut = nn.Conv2d(given, made, 1, stride, bias=False)
-        return (y + x).relu()
+        return (y + self.shortcut(x)).relu()
accepted:
-        self.norm2 = nn.BatchNorm2d(made)
+        self.norm2 = nn.BatchNorm2d(made)
+        self.shortcut = nn.Conv2d(given, made, 1, stride)
-        return (y + x).relu()
+        return (y + self.shortcut(x)).relu()
accepted:
-        self.norm2 = nn.BatchNorm2d(made)
+        self.norm2 = nn.BatchNorm2d(made)
+        self.shortcut = nn.Sequential(
+            nn.Conv2d(given, made, 1, stride, bias=False), nn.BatchNorm2d(made))
-        return (y + x).relu()
+        return (y + self.shortcut(x)).relu()
"""
from torch import nn


class Down(nn.Module):
    def __init__(self, given=32, made=64, stride=2):
        super().__init__()
        self.conv1 = nn.Conv2d(given, made, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(made)
        self.conv2 = nn.Conv2d(made, made, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(made)

    def forward(self, x):
        y = self.norm1(self.conv1(x)).relu()
        y = self.norm2(self.conv2(y))
        return (y + x).relu()
