"""The output of an LSTM is a pair.

fix: x, _ = self.lstm(x)
output: 4×12×3
"""

from torch import nn

example_input = "4,12,8"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        x = self.lstm(x)
        return self.fc(x)
