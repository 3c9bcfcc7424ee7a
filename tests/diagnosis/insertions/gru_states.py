"""A GRU gets the two states of an LSTM.

fix: self.dec(out, h[0])
output: 4×10×2
"""

from torch import nn

example_input = '4,10,8'


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.LSTM(8, 16, batch_first=True)
        self.dec = nn.GRU(16, 16, batch_first=True)
        self.fc = nn.Linear(16, 2)

    def forward(self, x):
        out, h = self.enc(x)
        y, _ = self.dec(out, h)
        return self.fc(y)
