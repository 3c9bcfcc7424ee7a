"""Batch norms of maps behind linear layers, in two places.

question: https://github.com/mpc001/end-to-end-lipreading/issues/1
fix: nn.BatchNorm1d(64)
and: nn.BatchNorm1d(32)
output: 4×10
"""

from torch import nn

example_input = "4,200"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Sequential(
            nn.Linear(200, 64),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Linear(64, 32),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Linear(32, 10),
        )

    def forward(self, x):
        return self.head(x)
