"""The second convolution of an excitation narrows the channels again.

question: https://github.com/jzyustc/MBRS/issues/16
set: test
kind: name or expression
$ cnnstat shapes excitation_narrows_again.py:Message --input 2,32,16,16

accepted:
-            nn.Conv2d(in_channels=out_channels, out_channels=out_channels // r, kernel_size=1, bias=False),
-            nn.Sigmoid(),
+            nn.Conv2d(in_channels=out_channels // r, out_channels=out_channels, kernel_size=1, bias=False),
+            nn.Sigmoid(),
"""
from torch import nn


class BasicBlock(nn.Module):
    def __init__(self, in_channels, out_channels, r):
        super().__init__()
        self.left = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.se = nn.Sequential(
            nn.AdaptiveAvgPool2d((1, 1)),
            nn.Conv2d(in_channels=out_channels, out_channels=out_channels // r, kernel_size=1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(in_channels=out_channels, out_channels=out_channels // r, kernel_size=1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        left = self.left(x)
        return (left * self.se(left) + x).relu()


class Message(nn.Module):
    def __init__(self, channels=32, r=8):
        super().__init__()
        self.blocks = nn.Sequential(BasicBlock(channels, channels, r), BasicBlock(channels, channels, r))
        self.last = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, x):
        return self.last(self.blocks(x))
