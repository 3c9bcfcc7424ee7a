"""A convolution of one axis with a kernel of two sides, on maps.

question: https://github.com/scutcsq/DWFormer/issues/21
set: validation
kind: class of a layer
$ cnnstat shapes conv1d_with_a_kernel_of_two.py:Emotion --input 4,32,324

accepted:
-        self.merge = nn.Conv1d(1, 1, (1, 2), stride=(1, 2))
+        self.merge = nn.Conv2d(1, 1, (1, 2), stride=(1, 2))
"""
import torch
from torch import nn


class Emotion(nn.Module):
    def __init__(self, features=324, classes=4):
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.merge = nn.Conv1d(1, 1, (1, 2), stride=(1, 2))
        self.head = nn.Sequential(
            nn.Linear(features // 2, 64),
            nn.ReLU(),
            nn.Linear(64, classes),
        )

    def forward(self, x):
        x = self.norm(x).unsqueeze(1)
        x = torch.relu(self.merge(x))
        x = x.squeeze(1).mean(1)
        return self.head(x)
