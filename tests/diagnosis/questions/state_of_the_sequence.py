"""The state has the sequence length where the batch should be.

question: https://github.com/patrickloeber/pytorch-examples/issues/2
set: validation
kind: fixed batch
$ cnnstat shapes state_of_the_sequence.py:Rows --input 4,28,28

accepted:
-        h = torch.zeros(self.depth, x.size(1), self.units)
+        h = torch.zeros(self.depth, x.size(0), self.units)
"""
import torch
from torch import nn


class Rows(nn.Module):
    def __init__(self, units=48, depth=1, classes=10):
        super().__init__()
        self.depth = depth
        self.units = units
        self.rnn = nn.RNN(28, units, depth, batch_first=True)
        self.fc = nn.Linear(units, classes)

    def forward(self, x):
        h = torch.zeros(self.depth, x.size(1), self.units)
        out, _ = self.rnn(x, h)
        return self.fc(out[:, -1])
