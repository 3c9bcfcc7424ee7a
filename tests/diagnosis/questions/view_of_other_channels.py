"""The view and the linear layer are written for another number of channels.

set: train
kind: several places
$ cnnstat shapes view_of_other_channels.py:Signs --input 8,3,28,28

accepted:
-        self.full1 = nn.Linear(12 * 5 * 5, 100)
+        self.full1 = nn.Linear(20 * 5 * 5, 100)
-        x = x.view(x.size(0), 5 * 5 * 12)
+        x = x.view(x.size(0), 5 * 5 * 20)
"""
import torch.nn as nn
import torch.nn.functional as F


class Signs(nn.Module):
    def __init__(self, signs=43):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels=3, out_channels=12, kernel_size=3)
        self.conv2 = nn.Conv2d(in_channels=12, out_channels=20, kernel_size=4)
        self.drop = nn.Dropout2d(p=0.2)
        self.full1 = nn.Linear(12 * 5 * 5, 100)
        self.full2 = nn.Linear(100, signs)

    def forward(self, x):
        x = self.drop(F.max_pool2d(F.relu(self.conv1(x)), 2))
        x = self.drop(F.max_pool2d(F.relu(self.conv2(x)), 2))
        x = x.view(x.size(0), 5 * 5 * 12)
        return self.full2(F.relu(self.full1(x)))
