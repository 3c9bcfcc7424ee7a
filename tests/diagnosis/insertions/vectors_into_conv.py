"""Images come as vectors, and leave the convolutions as maps.

fix: self.conv1(x.view(-1, 1, 28, 28))
fix: self.fc1(out.flatten(1))
output: 10×10
"""

import torch.nn.functional as F
from torch import nn

example_input = "10,784"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 3, padding=1)
        self.conv2 = nn.Conv2d(10, 20, 3, padding=1)
        self.fc1 = nn.Linear(15680, 1000)
        self.fc2 = nn.Linear(1000, 10)

    def forward(self, x):
        out = self.conv1(x)
        out = self.conv2(out)
        out = F.relu(self.fc1(out))
        return self.fc2(out)
