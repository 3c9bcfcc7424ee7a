"""Photographs in the network of a tutorial.

question: https://stackoverflow.com/questions/53784998
set: validation
kind: number
$ cnnstat shapes photographs_in_the_tutorial.py:ThreeClassNet --input 1,3,1200,800

accepted:
-        self.fc1 = nn.Linear(400, 3)
+        self.fc1 = nn.Linear(16 * 297 * 197, 3)
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


class ThreeClassNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, kernel_size=5)
        self.conv2 = nn.Conv2d(8, 16, kernel_size=5)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(400, 3)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, self.num_flat_features(x))
        return self.fc1(x)

    def num_flat_features(self, x):
        count = 1
        for size in x.size()[1:]:
            count *= size
        return count
