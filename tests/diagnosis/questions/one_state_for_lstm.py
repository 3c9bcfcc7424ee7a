"""An LSTM has two states.

question: https://github.com/pytorch/pytorch/issues/45437
set: validation
kind: tuple
$ cnnstat shapes one_state_for_lstm.py:Series --input 4,15,1

accepted:
-        states, _ = self.lstm(x, h)
+        states, _ = self.lstm(x, (h, h))
"""
import torch
from torch import nn


class Series(nn.Module):
    def __init__(self, units=10):
        super().__init__()
        self.units = units
        self.lstm = nn.LSTM(input_size=1, hidden_size=units, batch_first=True)
        self.next = nn.Linear(units, 1)

    def forward(self, x):
        h = torch.zeros(1, x.size(0), self.units)
        states, _ = self.lstm(x, h)
        return self.next(states[:, -1])
