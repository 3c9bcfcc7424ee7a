"""The first axis of the input is the batch, and the layer takes it for time.

set: train
kind: keyword not written
$ cnnstat shapes bidirectional_state.py:Sentiment --input 5,12,50

accepted:
-        self.lstm = nn.LSTM(dim, units, num_layers=depth, bidirectional=True)
+        self.lstm = nn.LSTM(dim, units, num_layers=depth, bidirectional=True, batch_first=True)
"""
import torch
from torch import nn


class Sentiment(nn.Module):
    def __init__(self, dim=50, units=64, depth=2):
        super().__init__()
        self.units = units
        self.depth = depth
        self.lstm = nn.LSTM(dim, units, num_layers=depth, bidirectional=True)
        self.head = nn.Linear(2 * units, 3)

    def forward(self, words):
        rows = 2 * self.depth
        h = torch.zeros(rows, words.size(0), self.units).to(words.device)
        c = torch.zeros(rows, words.size(0), self.units).to(words.device)
        states, (h, c) = self.lstm(words, (h, c))
        return self.head(states[:, -1])
