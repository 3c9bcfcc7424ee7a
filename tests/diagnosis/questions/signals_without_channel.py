"""Signals of 40 samples, without the axis of the single channel.

question: https://whosebug.com/question/6505309/Dimensionality-problem-with-PyTorch-Conv-layers
set: validation
kind: axis
$ cnnstat shapes signals_without_channel.py:Waves --input 16,40

accepted:
-        x = self.layers(x)
+        x = self.layers(x.unsqueeze(1))
accepted:
$ --input 16,1,40
"""
from torch import nn


class Waves(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, 24, kernel_size=5), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(24, 24, kernel_size=5), nn.ReLU(), nn.MaxPool1d(2),
        )
        self.last = nn.Linear(24 * 7, 3)

    def forward(self, x):
        x = self.layers(x)
        return self.last(x.flatten(1))
