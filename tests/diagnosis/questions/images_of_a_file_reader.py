"""OpenCV and PIL put the channels last.

question: https://github.com/aladdinpersson/Machine-Learning-Collection/issues/59
set: validation
kind: axis
$ cnnstat shapes images_of_a_file_reader.py:Detector --input 5,96,96,3

accepted:
-        x = self.features(x)
+        x = self.features(x.permute(0, 3, 1, 2))
accepted:
$ --input 5,3,96,96
"""
from torch import nn


def conv(given, made):
    layer = nn.Conv2d(given, made, 3, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(made), nn.LeakyReLU(0.1), nn.MaxPool2d(2))


class Detector(nn.Module):
    def __init__(self, boxes=2, classes=4):
        super().__init__()
        self.features = nn.Sequential(conv(3, 32), conv(32, 64), conv(64, 128), conv(128, 128))
        self.head = nn.Conv2d(128, boxes * (5 + classes), 1)

    def forward(self, x):
        x = self.features(x)
        return self.head(x)
