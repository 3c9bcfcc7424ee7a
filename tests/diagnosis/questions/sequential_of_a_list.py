"""Sequential takes layers, not a list of them.

question: https://github.com/chenyuntc/pytorch-book/issues/110
set: validation
kind: error of Python
$ cnnstat shapes sequential_of_a_list.py:Deep --input 2,3,32,32

accepted:
-        return nn.Sequential(layers)
+        return nn.Sequential(*layers)
"""
from torch import nn


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = self.make(3, 16, 3)
        self.last = nn.Linear(16, 10)

    def make(self, given, made, count):
        layers = [nn.Conv2d(given, made, 3, padding=1), nn.ReLU()]
        for _ in range(1, count):
            layers.append(nn.Conv2d(made, made, 3, padding=1))
            layers.append(nn.ReLU())
        return nn.Sequential(layers)

    def forward(self, x):
        return self.last(self.body(x).mean(dim=(2, 3)))
