"""The features of a column are its channels times its height.

question: https://github.com/zhiqwang/sightseq/issues/16
set: validation
kind: number
$ cnnstat shapes crnn_features.py:Lines --input 2,1,32,128

accepted:
-        self.rnn = nn.LSTM(64, 48, bidirectional=True)
+        self.rnn = nn.LSTM(256, 48, bidirectional=True)
accepted:
-        self.rnn = nn.LSTM(64, 48, bidirectional=True)
+        self.rnn = nn.LSTM(64 * 4, 48, bidirectional=True)
"""
from torch import nn


class Lines(nn.Module):
    def __init__(self, letters=30):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d((2, 1)),
        )
        self.rnn = nn.LSTM(64, 48, bidirectional=True)
        self.last = nn.Linear(96, letters)

    def forward(self, x):
        x = self.cnn(x)
        n, c, h, w = x.shape
        x = x.permute(3, 0, 1, 2).reshape(w, n, c * h)
        x, _ = self.rnn(x)
        return self.last(x)
