"""The vector of the linear layer is never made a map.

question: https://duoke360.com/post/34412
set: validation
kind: axis
$ cnnstat shapes generator_without_view.py:Painter --input 6,50

accepted:
-        x = self.enter(z).relu()
+        x = self.enter(z).relu().view(-1, 64, 7, 7)
"""
from torch import nn


class Painter(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter = nn.Linear(50, 64 * 7 * 7)
        self.grow = nn.Sequential(
            nn.ConvTranspose2d(64, 32, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 1, 4, 2, 1),
        )

    def forward(self, z):
        x = self.enter(z).relu()
        return self.grow(x).tanh()
