"""The linear layer takes the channels; the flattened map has its sides too.

set: train
kind: name or expression
$ cnnstat shapes hidden_units.py:Clothes --input 4,1,28,28

accepted:
-            nn.Linear(in_features=units, out_features=classes),
+            nn.Linear(in_features=units * 7 * 7, out_features=classes),
"""
from torch import nn


class Clothes(nn.Module):
    def __init__(self, channels=1, units=12, classes=10):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(in_channels=channels, out_channels=units, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2),
        )
        self.second = nn.Sequential(
            nn.Conv2d(in_channels=units, out_channels=units, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2),
        )
        self.last = nn.Sequential(
            nn.Flatten(),
            nn.Linear(in_features=units, out_features=classes),
        )

    def forward(self, x):
        return self.last(self.second(self.first(x)))
