"""A weight for each step of a sequence has no axis of features.

fix: (x * w.unsqueeze(-1)).sum(1)
output: 2×4
"""

from torch import nn

example_input = "2,10,32"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = nn.Linear(32, 1)
        self.fc = nn.Linear(32, 4)

    def forward(self, x):
        w = self.score(x).squeeze(-1).softmax(1)
        return self.fc((x * w).sum(1))
