"""One of the layers is converted to float64.

fix: self.fc = nn.Linear(10, 8)
output: 4×2
"""

from torch import nn

example_input = "4,10"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(10, 8).double()
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        return self.out(self.fc(x))
