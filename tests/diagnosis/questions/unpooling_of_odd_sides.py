"""Unpooling does not know whether the side was odd.

question: https://github.com/pytorch/pytorch/issues/580
set: validation
kind: keyword not written
$ cnnstat shapes unpooling_of_odd_sides.py:RoadSegmenter --input 1,3,540,960

accepted:
-        x = self.decode3(self.unpool(x, indices3))
-        x = self.decode2(self.unpool(x, indices2))
-        return self.decode1(self.unpool(x, indices1))
+        x = self.decode3(self.unpool(x, indices3, output_size=indices2.shape[2:]))
+        x = self.decode2(self.unpool(x, indices2, output_size=indices1.shape[2:]))
+        return self.decode1(self.unpool(x, indices1))
"""
import torch.nn as nn


def conv(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class RoadSegmenter(nn.Module):
    def __init__(self, classes=12):
        super().__init__()
        self.pool = nn.MaxPool2d(2, 2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2, 2)
        self.encode1 = conv(3, 32)
        self.encode2 = conv(32, 64)
        self.encode3 = conv(64, 128)
        self.decode3 = conv(128, 64)
        self.decode2 = conv(64, 32)
        self.decode1 = nn.Conv2d(32, classes, 3, padding=1)

    def forward(self, x):
        x, indices1 = self.pool(self.encode1(x))
        x, indices2 = self.pool(self.encode2(x))
        x, indices3 = self.pool(self.encode3(x))
        x = self.decode3(self.unpool(x, indices3))
        x = self.decode2(self.unpool(x, indices2))
        return self.decode1(self.unpool(x, indices1))
