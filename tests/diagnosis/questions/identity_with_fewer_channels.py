"""The identity has the channels of the input.

question: https://jishuzhan.net/article/1906270688443445249
set: validation
kind: shortcut
$ cnnstat shapes identity_with_fewer_channels.py:Small --input 2,3,32,32

accepted:
-        self.bn2 = nn.BatchNorm2d(made)
+        self.bn2 = nn.BatchNorm2d(made)
+        self.shortcut = nn.Conv2d(given, made, 1, bias=False)
-        return torch.relu(x + shortcut)
+        return torch.relu(x + self.shortcut(shortcut))
accepted:
-        self.bn2 = nn.BatchNorm2d(made)
+        self.bn2 = nn.BatchNorm2d(made)
+        self.shortcut = nn.Conv2d(given, made, 1)
-        return torch.relu(x + shortcut)
+        return torch.relu(x + self.shortcut(shortcut))
accepted:
-        self.bn2 = nn.BatchNorm2d(made)
+        self.bn2 = nn.BatchNorm2d(made)
+        self.shortcut = nn.Sequential(nn.Conv2d(given, made, 1, bias=False), nn.BatchNorm2d(made))
-        return torch.relu(x + shortcut)
+        return torch.relu(x + self.shortcut(shortcut))
"""
import torch
from torch import nn


class Residual(nn.Module):
    def __init__(self, given, made):
        super().__init__()
        self.conv1 = nn.Conv2d(given, made, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(made)
        self.conv2 = nn.Conv2d(made, made, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(made)

    def forward(self, x):
        shortcut = x
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return torch.relu(x + shortcut)


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.blocks = nn.Sequential(Residual(16, 32), Residual(32, 32))
        self.last = nn.Linear(32, 10)

    def forward(self, x):
        return self.last(self.blocks(self.stem(x)).mean(dim=(2, 3)))
