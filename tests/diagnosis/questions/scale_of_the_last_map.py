"""One of three maps is enlarged by the wrong factor.

question: https://github.com/programmingLearner/MATF-architecture-details/issues/4
set: validation
kind: number
$ cnnstat shapes scale_of_the_last_map.py:Scene --input 2,3,64,64

accepted:
-        up3 = F.interpolate(conv3, scale_factor=5)
+        up3 = F.interpolate(conv3, scale_factor=4)
accepted:
-        up3 = F.interpolate(conv3, scale_factor=5)
+        up3 = F.interpolate(conv3, size=conv1.shape[2:])
"""
import torch.nn as nn
import torch.nn.functional as F


class Scene(nn.Module):
    def __init__(self, channels=32):
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.conv3 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        conv1 = F.relu(self.conv1(x))
        conv2 = F.relu(self.conv2(conv1))
        conv3 = F.relu(self.conv3(conv2))
        up2 = F.interpolate(conv2, scale_factor=2)
        up3 = F.interpolate(conv3, scale_factor=5)
        features = conv1 + up2 + up3
        return self.out(features)
