"""A batch norm behind a linear layer of a sequence takes the features as channels.

fix: self.bn(x.transpose(1, 2)).transpose(1, 2)
output: 2×30×3
"""

from torch import nn

example_input = "2,30,12"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(12, 64)
        self.bn = nn.BatchNorm1d(64)
        self.out = nn.Linear(64, 3)

    def forward(self, x):
        x = self.fc(x)
        x = self.bn(x)
        return self.out(x)
