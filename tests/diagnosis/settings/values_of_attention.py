"""Attention over values of another width.

question: https://github.com/pytorch/pytorch/issues/27623
fix: nn.MultiheadAttention(24, 2, batch_first=True, vdim=12)
output: 5×10×24
"""

from torch import nn

example_input = "5,10,24"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.small = nn.Linear(24, 12)
        self.attention = nn.MultiheadAttention(24, 2, batch_first=True)

    def forward(self, x):
        found, _ = self.attention(x, x, self.small(x))
        return found
