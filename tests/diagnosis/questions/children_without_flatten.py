"""The children of a ResNet without its `forward`, which flattens.

set: train
kind: no flatten
$ cnnstat shapes children_without_flatten.py:Finetuned --input 2,3,96,96

accepted:
-        return self.last(self.body(x))
+        return self.last(self.body(x).flatten(1))
"""
from torch import nn
from torchvision.models import resnet18


class Finetuned(nn.Module):
    def __init__(self, kinds=7):
        super().__init__()
        whole = resnet18(weights=None)
        self.body = nn.Sequential(*list(whole.children())[:-1])
        self.last = nn.Linear(512, kinds)

    def forward(self, x):
        return self.last(self.body(x))
