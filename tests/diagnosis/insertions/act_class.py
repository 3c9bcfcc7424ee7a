"""The class of an activation is assigned, not a layer.

fix: self.act = nn.ReLU()
output: 4×2
"""

from torch import nn

example_input = "4,10"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(10, 20)
        self.act = nn.ReLU
        self.out = nn.Linear(20, 2)

    def forward(self, x):
        return self.out(self.act(self.fc(x)))
