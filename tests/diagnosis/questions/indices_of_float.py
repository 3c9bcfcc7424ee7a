"""The indices come out of a table of float32.

question: https://github.com/udacity/deep-learning-v2-pytorch/pull/96
set: validation
kind: dtype
$ cnnstat shapes indices_of_float.py:Opinion --input 4,18

accepted:
-        x = self.embedding(x)
+        x = self.embedding(x.long())
accepted:
$ --input 4,18:int64
"""
from torch import nn


class Opinion(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(400, 30)
        self.lstm = nn.LSTM(30, 50, 2, batch_first=True)
        self.fc = nn.Linear(50, 1)

    def forward(self, x):
        x = self.embedding(x)
        x, _ = self.lstm(x)
        return self.fc(x[:, -1]).sigmoid()
