"""torchvision's segmentation returns a dict.

question: https://github.com/pytorch/vision/issues/1452
set: validation
kind: tuple
$ cnnstat shapes masks_in_a_dict.py:Binary --input 1,3,64,64

accepted:
-        return self.last(self.whole(x))
+        return self.last(self.whole(x)["out"])
"""
from collections import OrderedDict

from torch import nn


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Conv2d(3, 24, 3, 2, 1)
        self.classifier = nn.Conv2d(24, 21, 1)
        self.aux_classifier = nn.Conv2d(24, 21, 3, padding=1)

    def forward(self, x):
        maps = self.backbone(x).relu()
        found = OrderedDict()
        found["out"] = self.classifier(maps)
        found["aux"] = self.aux_classifier(maps)
        return found


class Binary(nn.Module):
    def __init__(self):
        super().__init__()
        self.whole = Whole()
        self.last = nn.Conv2d(21, 1, 1)

    def forward(self, x):
        return self.last(self.whole(x))
