"""Half a width is a float.

fix: nn.Linear(width, width // 2)
output: 2×16
"""

from torch import nn

example_input = "2,32"


class Net(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.fc = nn.Linear(width, width / 2)

    def forward(self, x):
        return self.fc(x)
