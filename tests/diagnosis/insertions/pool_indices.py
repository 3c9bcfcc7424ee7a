"""A pooling layer returns indices too.

fix: x, _ = self.pool(self.c1(x))
output: 2×8×8×8
"""

from torch import nn

example_input = "2,3,16,16"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(3, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.c2 = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        x = self.pool(self.c1(x))
        return self.c2(x)
