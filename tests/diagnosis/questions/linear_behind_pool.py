"""The second pool's map goes into the linear layer as it is.

question: https://blackberry.8miu.com/read-34393.html
set: validation
kind: no flatten
$ cnnstat shapes linear_behind_pool.py:Numbers --input 10,1,28,28

accepted:
-        x = self.pool(torch.relu(self.conv2(x)))
+        x = self.pool(torch.relu(self.conv2(x))).flatten(1)
"""
import torch
from torch import nn


class Numbers(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 5)
        self.conv2 = nn.Conv2d(10, 20, 5)
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        x = torch.relu(self.fc1(x))
        return self.fc2(x)
