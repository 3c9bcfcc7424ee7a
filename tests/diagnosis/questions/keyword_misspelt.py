"""kernal_size.

set: train
kind: error of Python
$ cnnstat shapes keyword_misspelt.py:Plain --input 1,3,24,24

accepted:
-            nn.Conv2d(3, 12, kernal_size=3, padding=1),
+            nn.Conv2d(3, 12, kernel_size=3, padding=1),
"""
from torch import nn


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 12, kernal_size=3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(12, 4),
        )

    def forward(self, x):
        return self.layers(x)
