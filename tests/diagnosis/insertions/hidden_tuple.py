"""The states of an LSTM are a pair, and have an axis of layers.

fix: self.fc(hidden[0][-1])
output: 4×3
"""

from torch import nn

example_input = "4,12,8"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        _, hidden = self.lstm(x)
        return self.fc(hidden)
