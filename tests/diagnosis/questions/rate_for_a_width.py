"""The rate of a reduction is passed for the reduced width.

question: https://github.com/braindecode/braindecode/pull/955
set: validation
kind: name or expression
$ cnnstat shapes rate_for_a_width.py:SignalClassifier --input 1,1,22,1000

accepted:
-        self.fc2 = nn.Conv2d(reduction_rate, in_channels, kernel_size=1, bias=bias)
+        self.fc2 = nn.Conv2d(sq_channels, in_channels, kernel_size=1, bias=bias)
"""
import torch
import torch.nn as nn


class ChannelGate(nn.Module):
    def __init__(self, in_channels, reduction_rate, bias=False):
        super().__init__()
        sq_channels = int(in_channels // reduction_rate)
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(in_channels, sq_channels, kernel_size=1, bias=bias)
        self.nonlinearity = nn.ReLU()
        self.fc2 = nn.Conv2d(reduction_rate, in_channels, kernel_size=1, bias=bias)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        scale = self.nonlinearity(self.fc1(self.gap(x)))
        scale = self.sigmoid(self.fc2(scale))
        return x * scale


class SignalClassifier(nn.Module):
    def __init__(self, electrodes=22, classes=4):
        super().__init__()
        self.temporal = nn.Conv2d(1, 32, (1, 63), padding=(0, 31))
        self.spatial = nn.Conv2d(32, 32, (electrodes, 1))
        self.gate = ChannelGate(32, 4)
        self.pool = nn.AvgPool2d((1, 75), stride=(1, 15))
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(32 * 62, classes)

    def forward(self, x):
        x = torch.relu(self.spatial(self.temporal(x)))
        x = self.pool(self.gate(x))
        return self.head(self.drop(x.flatten(1)))
