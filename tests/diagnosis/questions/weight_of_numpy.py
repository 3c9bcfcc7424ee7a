"""numpy draws float64.

question: https://github.com/OUCMachineLearning/OUCML/issues/24
set: validation
kind: dtype
$ cnnstat shapes weight_of_numpy.py:Regression --input 10,2

accepted:
-        self.w = nn.Parameter(torch.from_numpy(np.ones((2, 1)) * 0.01))
+        self.w = nn.Parameter(torch.from_numpy(np.ones((2, 1)) * 0.01).float())
accepted:
-        return torch.mm(x, self.w) + self.b
+        return torch.mm(x, self.w.float()) + self.b
"""
import numpy as np
import torch
from torch import nn


class Regression(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.from_numpy(np.ones((2, 1)) * 0.01))
        self.b = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return torch.mm(x, self.w) + self.b
