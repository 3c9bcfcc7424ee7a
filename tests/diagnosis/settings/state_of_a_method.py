"""The state is made by a method for the batch of the training.

question: https://github.com/pytorch/pytorch/issues/1255
fix: self.init_hidden(x.size(0))
output: 3×2
"""

import torch
from torch import nn

example_input = "3,11,8"


class Net(nn.Module):
    def __init__(self, batch_size=64, units=20):
        super().__init__()
        self.batch_size = batch_size
        self.units = units
        self.lstm = nn.LSTM(8, units, 2, batch_first=True)
        self.fc = nn.Linear(units, 2)

    def init_hidden(self, batch_size):
        return (torch.zeros(2, batch_size, self.units), torch.zeros(2, batch_size, self.units))

    def forward(self, x):
        hidden = self.init_hidden(self.batch_size)
        out, hidden = self.lstm(x, hidden)
        return self.fc(out[:, -1])
