"""The last batch is smaller than the others.

question: https://github.com/miyamotok0105/pytorch_handbook/issues/11
set: validation
kind: fixed batch
$ cnnstat shapes state_for_a_full_batch.py:Reviews

accepted:
-        h = torch.zeros(1, self.batch_size, self.units)
-        c = torch.zeros(1, self.batch_size, self.units)
+        h = torch.zeros(1, x.size(0), self.units)
+        c = torch.zeros(1, x.size(0), self.units)
"""
import torch
from torch import nn

example_input = torch.zeros(7, 30, dtype=torch.long)


class Reviews(nn.Module):
    def __init__(self, words=200, dim=24, units=40, batch_size=32):
        super().__init__()
        self.batch_size = batch_size
        self.units = units
        self.embed = nn.Embedding(words, dim)
        self.lstm = nn.LSTM(dim, units, batch_first=True)
        self.judge = nn.Linear(units, 2)

    def forward(self, text):
        x = self.embed(text)
        h = torch.zeros(1, self.batch_size, self.units)
        c = torch.zeros(1, self.batch_size, self.units)
        states, _ = self.lstm(x, (h, c))
        return self.judge(states[:, -1])
