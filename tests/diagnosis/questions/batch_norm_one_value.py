"""In training, a norm behind global pooling needs a second example.

set: train
kind: input
$ cnnstat shapes batch_norm_one_value.py:Context --input 1,3,48,48 --mode train

accepted:
$ --input 2,3,48,48 --mode train
"""
import torch.nn.functional as F
from torch import nn


def block(given, made, kernel, stride=1):
    conv = nn.Conv2d(given, made, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(made), nn.ReLU())


class Context(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.stem = block(3, width, 3, 2)
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), block(width, width, 1))

    def forward(self, x):
        x = self.stem(x)
        return x + F.interpolate(self.whole(x), size=x.shape[-2:])
