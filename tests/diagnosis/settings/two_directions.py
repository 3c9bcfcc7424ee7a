"""A bidirectional GRU gives twice its width.

question: https://github.com/aymericdamien/TensorFlow-Examples/issues/244
fix: nn.Linear(2 * self.width, classes)
output: 3×6
"""

from torch import nn

example_input = "3,9,14"


class Net(nn.Module):
    def __init__(self, width=20, classes=6):
        super().__init__()
        self.width = width
        self.gru = nn.GRU(14, self.width, batch_first=True, bidirectional=True)
        self.out = nn.Linear(self.width, classes)

    def forward(self, x):
        states, _ = self.gru(x)
        return self.out(states.mean(dim=1))
