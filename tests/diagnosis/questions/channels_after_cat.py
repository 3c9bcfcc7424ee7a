"""Behind a concatenation there are more channels.

question: https://github.com/matthewfranglen/interactive-image-classification
set: validation
kind: name or expression
$ cnnstat shapes channels_after_cat.py:Growing --input 2,3,32,32

accepted:
-        nn.Conv2d(made, made, 3, stride=2, padding=1),
+        nn.Conv2d(given + made, made, 3, stride=2, padding=1),
"""
import torch
from torch import nn


class WithInput(nn.Sequential):
    def forward(self, x):
        return torch.cat([x, super().forward(x)], dim=1)


def repeated(given, made):
    return nn.Sequential(
        WithInput(
            nn.Conv2d(given, made, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(made, made, 3, padding=1),
        ),
        nn.Tanh(),
        nn.Conv2d(made, made, 3, stride=2, padding=1),
        nn.Tanh(),
    )


class Growing(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(repeated(3, 16), repeated(16, 32))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.last = nn.Linear(32, 10)

    def forward(self, x):
        return self.last(self.pool(self.blocks(x)).flatten(1))
