"""The class is called with the tensor: that makes a module.

set: train
kind: error of Python
$ cnnstat shapes relu_of_a_tensor.py:Two --input 1,1,20,20

accepted:
-        x = nn.ReLU(self.one(x))
-        x = nn.ReLU(self.two(x))
+        x = nn.ReLU()(self.one(x))
+        x = nn.ReLU()(self.two(x))
"""
from torch import nn


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(1, 6, 3)
        self.two = nn.Conv2d(6, 12, 3)
        self.last = nn.Linear(12 * 16 * 16, 5)

    def forward(self, x):
        x = nn.ReLU(self.one(x))
        x = nn.ReLU(self.two(x))
        return self.last(x.flatten(1))
