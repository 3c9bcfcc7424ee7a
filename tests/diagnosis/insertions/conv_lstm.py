"""The channels of a convolution are second, an LSTM takes them last.

fix: self.lstm(x.transpose(1, 2))
output: 4×5
"""

import torch.nn.functional as F
from torch import nn

example_input = "4,3,100"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 64, 5, padding=2)
        self.lstm = nn.LSTM(64, 32, batch_first=True)
        self.fc = nn.Linear(32, 5)

    def forward(self, x):
        x = F.relu(self.conv(x))
        out, _ = self.lstm(x)
        return self.fc(out[:, -1])
