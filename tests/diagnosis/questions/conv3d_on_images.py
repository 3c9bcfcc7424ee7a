"""Images, and layers for volumes.

question: https://github.com/msyim/VGG16/issues/1
set: validation
kind: class of a layer
$ cnnstat shapes conv3d_on_images.py:SmallVgg --input 4,3,64,64

accepted:
-        nn.Conv3d(inputs, outputs, kernel_size=3, padding=1),
-        nn.BatchNorm3d(outputs),
+        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1),
+        nn.BatchNorm2d(outputs),
"""
from torch import nn


def conv_layer(inputs, outputs):
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel_size=3, padding=1),
        nn.BatchNorm3d(outputs),
        nn.ReLU(),
    )


class SmallVgg(nn.Module):
    def __init__(self, classes=100):
        super().__init__()
        self.layer1 = nn.Sequential(conv_layer(3, 32), conv_layer(32, 32), nn.MaxPool2d(2))
        self.layer2 = nn.Sequential(conv_layer(32, 64), conv_layer(64, 64), nn.MaxPool2d(2))
        self.layer3 = nn.Linear(64 * 16 * 16, classes)

    def forward(self, x):
        x = self.layer2(self.layer1(x))
        return self.layer3(x.view(x.size(0), -1))
