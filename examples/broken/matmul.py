"""Attention by hand: queries and keys are projected to different widths."""

from torch import nn

example_input = (1, 64, 128)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(128, 32)
        self.key = nn.Linear(128, 64)
        self.value = nn.Linear(128, 128)
        self.head = nn.Linear(128, 10)

    def forward(self, x):
        weights = (self.query(x) @ self.key(x).transpose(1, 2)).softmax(dim=-1)
        return self.head((weights @ self.value(x)).mean(dim=1))
