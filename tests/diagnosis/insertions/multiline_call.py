"""The argument of a call is on lines of its own.

fix: ).flatten(1)
output: 2×4
"""

from torch import nn

example_input = '2,3,16,16'


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.ReLU(),
        )
        self.fc = nn.Linear(8 * 14 * 14, 4)

    def forward(self, x):
        return self.fc(
            self.features(
                x,
            ),
        )
