"""forward calls a layer that no line of the constructor creates.

question: https://github.com/ivadomed/ivadomed/pull/547
set: validation
kind: error of Python
$ cnnstat shapes softmax_never_created.py:Decoder --input 2,16,32,32

accepted:
-        self.last_conv = nn.Conv2d(base, classes, 1)
+        self.last_conv = nn.Conv2d(base, classes, 1)
+        self.softmax = nn.Softmax(dim=1)
"""
import torch
from torch import nn


class Decoder(nn.Module):
    def __init__(self, base=16, classes=3, final_activation="softmax"):
        super().__init__()
        self.final_activation = final_activation
        self.up = nn.Upsample(scale_factor=2)
        self.conv = nn.Conv2d(base, base, 3, padding=1)
        self.norm = nn.BatchNorm2d(base)
        self.last_conv = nn.Conv2d(base, classes, 1)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(self.up(x))))
        preds = self.last_conv(x)
        if self.final_activation == "softmax":
            preds = self.softmax(preds)
        else:
            preds = torch.sigmoid(preds)
        return preds
