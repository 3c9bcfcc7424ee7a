"""A head in a class of its own gets a map and another size.

fix: self.mlp(x.flatten(1))
and: Head(512, 4)
output: 2×4
"""

from torch import nn

example_input = '2,3,16,16'


class Head(nn.Module):
    def __init__(self, in_dim, n):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(in_dim, 32), nn.ReLU(), nn.Linear(32, n))

    def forward(self, x):
        return self.mlp(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1))
        self.head = Head(128, 4)

    def forward(self, x):
        return self.head(self.backbone(x))
