"""The state has rows for one layer, and the LSTM has two.

question: https://github.com/ngarneau/understanding-pytorch-batching-lstm/issues/1
fix: torch.zeros(self.layers, x.size(0), 24)
and: torch.zeros(self.layers, x.size(0), 24)
output: 4×3
"""

import torch
from torch import nn

example_input = "4,7,10"


class Net(nn.Module):
    def __init__(self, layers=2):
        super().__init__()
        self.layers = layers
        self.lstm = nn.LSTM(10, 24, layers, batch_first=True)
        self.fc = nn.Linear(24, 3)

    def forward(self, x):
        h = torch.zeros(1, x.size(0), 24)
        c = torch.zeros(1, x.size(0), 24)
        _, (h, _) = self.lstm(x, (h, c))
        return self.fc(h[-1])
