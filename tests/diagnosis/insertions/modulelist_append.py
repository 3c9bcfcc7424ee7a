"""A ModuleList is called that was filled in a loop.

fix: nn.Sequential()
output: 4×2
"""

from torch import nn

example_input = "4,10"


class Net(nn.Module):
    def __init__(self, sizes=(10, 20, 30, 2)):
        super().__init__()
        self.layers = nn.ModuleList()
        for i in range(len(sizes) - 1):
            self.layers.append(nn.Linear(sizes[i], sizes[i + 1]))

    def forward(self, x):
        out = self.layers(x)
        return out
